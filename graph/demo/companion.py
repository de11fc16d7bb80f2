"""What runs beside the demo's server: it makes the jobs of the demo, then trains some of them."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator

from graph.demo.logged import LoggedRuns
from graph.demo.simulated import SimulatedJobs
from models.alerts.alerts import Alerts
from models.jobs import Jobs
from models.store.errors import StoreFailure

__all__ = ["demo_jobs"]

log = logging.getLogger(__name__)


@contextlib.asynccontextmanager
async def demo_jobs(jobs: Jobs, alerts: Alerts) -> AsyncIterator[None]:
    """Inside, the demo's jobs come to be, and train; the server answers from the first moment on."""
    running = asyncio.create_task(_show(SimulatedJobs(jobs), LoggedRuns(jobs, alerts)))
    try:
        yield
    finally:
        running.cancel()
        await asyncio.wait([running])


async def _show(simulated: SimulatedJobs, logged: LoggedRuns) -> None:
    try:
        is_furnished = False
        while not is_furnished:
            try:
                await simulated.furnish()
                await logged.furnish()
                is_furnished = True
            except StoreFailure as outage:  # what is there already is not made again
                log.warning("demo: %s", outage)
                await asyncio.sleep(1)
        await asyncio.gather(simulated.train(), logged.log_on())
    except Exception:
        log.exception("the demo ended")
