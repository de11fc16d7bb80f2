// The contract over node:sqlite, for the servers in Node: prepared statements, one transaction a write, WAL and FULL.
import { DatabaseSync } from 'node:sqlite'
import { readFileSync } from 'node:fs'

const beside = (name) => readFileSync(new URL(name, import.meta.url), 'utf8')

export const typeDefs = beside('contract.graphql')

const JOB = `id, name, model_name AS modelName, status, epochs, steps_per_epoch AS stepsPerEpoch,
  epochs * steps_per_epoch AS totalSteps, learning_rate AS learningRate, metric_count AS metricCount,
  CASE status WHEN 'COMPLETE' THEN 1.0 ELSE min(1.0, 1.0 * furthest_step / (epochs * steps_per_epoch)) END AS progress,
  created_at AS createdAt, updated_at AS updatedAt`

const now = () => new Date().toISOString()

// The points that the plain server makes too: a falling loss with some noise that belongs to the step.
function synthetic(job, step) {
  const progress = step / job.totalSteps
  const noise = Math.sin(step * 12.9898)
  return {
    step,
    epoch: Math.ceil(step / job.stepsPerEpoch),
    loss: 2.3 * Math.exp(-3 * progress) + 0.05 * noise,
    accuracy: 1 - 0.9 * Math.exp(-3 * progress),
    learningRate: job.learningRate
  }
}

export function open(path) {
  const database = new DatabaseSync(path)
  database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA busy_timeout = 10000')
  database.exec(beside('tables.sql'))
  const findJob = database.prepare(`SELECT ${JOB} FROM job WHERE id = ?`)
  const listJobs = database.prepare(`SELECT ${JOB} FROM job ORDER BY created_at DESC, id DESC LIMIT ?`)
  const listMetrics = database.prepare(
    `SELECT seq, step, epoch, loss, accuracy, learning_rate AS learningRate, recorded_at AS recordedAt
     FROM metric WHERE job_id = ? AND seq > ? ORDER BY seq LIMIT ?`
  )
  const addJob = database.prepare(
    `INSERT INTO job (name, model_name, status, epochs, steps_per_epoch, learning_rate, created_at, updated_at)
     VALUES (?, ?, 'QUEUED', ?, ?, ?, ?, ?) RETURNING ${JOB}`
  )
  const moveJob = database.prepare(
    `UPDATE job SET status = ?, updated_at = ? WHERE id = ? AND status = ? RETURNING ${JOB}`
  )
  const claim = database.prepare(
    `UPDATE job SET metric_count = metric_count + ?, furthest_step = max(furthest_step, ?), updated_at = ?
     WHERE id = ? AND status = 'RUNNING' RETURNING ${JOB}`
  )
  const claimStep = database.prepare(
    `UPDATE job SET metric_count = metric_count + 1, furthest_step = metric_count + 1, updated_at = ?
     WHERE id = ? AND status = 'RUNNING' AND metric_count < epochs * steps_per_epoch RETURNING ${JOB}`
  )
  const addMetric = database.prepare(
    `INSERT INTO metric (job_id, seq, step, epoch, loss, accuracy, learning_rate, "values", recorded_at)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`
  )

  function transaction(work) {
    database.exec('BEGIN IMMEDIATE')
    try {
      const result = work()
      database.exec('COMMIT')
      return result
    } catch (error) {
      database.exec('ROLLBACK')
      throw error
    }
  }

  function store(jobId, seq, point, at) {
    const { step, epoch, loss, accuracy, learningRate } = point
    const values = JSON.stringify({ loss, accuracy, learningRate })
    addMetric.run(jobId, seq, step, epoch, loss, accuracy, learningRate, values, at)
    return { seq, ...point, recordedAt: at }
  }

  function refused(id) {
    const job = findJob.get(id)
    if (job === undefined) return { __typename: 'JobNotFound', message: `There is no job ${id}.`, id }
    return { __typename: 'IllegalTransition', message: `Job ${id} is ${job.status}.`, job }
  }

  function simulateStep(id) {
    const at = now()
    const job = claimStep.get(at, id)
    if (job === undefined) {
      const done = moveJob.get('COMPLETE', at, id, 'RUNNING')
      if (done === undefined) return refused(id)
      return { __typename: 'SimulateStepSuccess', job: done, metric: null, complete: true, progress: 1 }
    }
    const metric = store(job.id, job.metricCount, synthetic(job, job.metricCount), at)
    const progress = metric.step / job.totalSteps
    return { __typename: 'SimulateStepSuccess', job, metric, complete: false, progress }
  }

  function logMetrics(id, metrics) {
    const at = now()
    const job = claim.get(metrics.length, Math.max(...metrics.map((metric) => metric.step)), at, id)
    if (job === undefined) return refused(id)
    const before = job.metricCount - metrics.length
    metrics.forEach((metric, index) => {
      const epoch = metric.epoch ?? Math.max(1, Math.ceil(metric.step / job.stepsPerEpoch))
      const { step, loss = null, accuracy = null, learningRate = null } = metric
      store(job.id, before + index + 1, { step, epoch, loss, accuracy, learningRate }, at)
    })
    return { __typename: 'LogMetricsSuccess', job, recorded: metrics.length }
  }

  return {
    Query: {
      jobs: (_, { limit }) => listJobs.all(limit),
      job: (_, { id }) => findJob.get(id) ?? null
    },
    Job: {
      metrics: (job, { limit, after }) => listMetrics.all(job.id, after, limit)
    },
    Mutation: {
      createJob: (_, { input }) => {
        const at = now()
        const { name, modelName, epochs, stepsPerEpoch, learningRate } = input
        const job = addJob.get(name, modelName, epochs, stepsPerEpoch, learningRate, at, at)
        return { __typename: 'CreateJobSuccess', job }
      },
      startJob: (_, { id }) => {
        const job = moveJob.get('RUNNING', now(), id, 'QUEUED')
        return job === undefined ? refused(id) : { __typename: 'StartJobSuccess', job }
      },
      simulateStep: (_, { id }) => transaction(() => simulateStep(id)),
      logMetrics: (_, { id, metrics }) => transaction(() => logMetrics(id, metrics))
    }
  }
}
