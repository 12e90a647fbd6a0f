/** A thread of `npm run crash`: does the jobs that it is sent, one at a time. */

import { parentPort } from 'node:worker_threads';
import { type Job, type JobResult, runJob } from './crash-parts.js';

const port = parentPort;
if (port === null) throw new Error('crash-worker runs in a worker thread');

async function work(job: Job): Promise<JobResult> {
  try {
    return await runJob(job);
  } catch (error) {
    // What throws here is a violation too: nothing in a job may.
    const violations = [`${JSON.stringify(job)}: ${String((error as Error).stack ?? error)}`];
    return { row: `${job.part}: ${job.name}`, count: 0, violations, undetected: {} };
  }
}

port.on('message', (job: Job) => {
  void work(job).then((result) => port.postMessage(result));
});
