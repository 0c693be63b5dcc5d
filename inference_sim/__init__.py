"""LLM serving simulator on SimPy: usable alone, without mosaik, Vessim or controllers.

A cluster is advanced step by step::

    from inference_sim.cluster import Cluster
    from inference_sim.deployment import ClusterConfig
    from inference_sim.pool_config import PoolConfig
    from inference_sim.hardware import find_gpu
    from inference_sim.models import find_model
    from inference_sim.power import TwoResource
    from inference_sim.workload import FixedLengths, PoissonArrivals, generated_stream

    gpu = find_gpu("h100-sxm-80gb")
    pool = PoolConfig(
        model=find_model("meta-llama/Llama-3.1-8B-Instruct"), gpu=gpu, power=TwoResource.of(gpu)
    )
    stream = generated_stream(PoissonArrivals(2.0), FixedLengths(512, 128), seed=1)
    cluster = Cluster(ClusterConfig(pools=(pool,)), stream)
    print(cluster.step(until_s=60.0).facility_power_w)
"""


def is_compiled() -> bool:
    """Return whether the inner loop runs as a C extension; plain Python gives the same results."""
    from inference_sim import engine

    return not engine.__file__.endswith(".py")
