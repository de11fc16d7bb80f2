"""A job that a command names."""

from graph.settings import Settings
from models.errors import JobNotFound
from models.job import Job
from models.job_reads import find_job
from models.store.database import Database
from models.store.urls import without_password
from models.validation import job_id_of

__all__ = ["named_job"]


async def named_job(database: Database, settings: Settings, id: str) -> Job:
    """The job with that id. Raises JobNotFound."""
    job = await find_job(database.reader, job_id := job_id_of(id))
    if job is None:
        raise JobNotFound(job_id, f"There is no job with the id {id} in {without_password(settings.database_url)}.")
    return job
