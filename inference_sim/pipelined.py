"""An engine whose iterations pass through several pipeline stages.

The batches of the replica's other engines come between, so every iteration is an event of its own:
it waits for the first stage, leaves it for the next batch, and ends on the last one.
"""

from __future__ import annotations

import simpy

from inference_sim.engine import Engine


class PipelinedEngine(Engine):
    """An engine that serves its requests on all stages of a pipeline that it shares."""

    def _go_on(self) -> None:
        """Queue for the first stage, or sleep."""
        if self.waiting or self.running or self.prefilling:
            self.pipeline.entrance.request().callbacks.append(self._on_turn)
        else:
            self._fall_asleep()

    def _on_turn(self, event: simpy.Event) -> None:
        """Begin an iteration: of prompts, or of decodes."""
        chunks = self._take_prompts() if self.waiting or self._partial is not None else []
        if chunks:
            decoding = len(self.running) if self.scheduler.mixes else 0
        elif self._make_room():
            decoding = len(self.running)
            self.kv.advance(self.iteration, 1)
        else:
            self.pipeline.entrance.release()
            self._go_on()
            return
        costs = self._costs(chunks, decoding)
        durations_s = [cost.duration_s for cost in costs]
        starts_s = self.pipeline.enter(self.env.now, durations_s)
        end_s = self._begin_iteration(starts_s, costs, chunks, decoding)
        leaving = simpy.Timeout(self.env, durations_s[0])
        leaving.callbacks.append(self._on_left)
        self._call_back(end_s - self.env.now, self._on_computed)

    def _on_left(self, event: simpy.Event) -> None:
        self.pipeline.entrance.release()
