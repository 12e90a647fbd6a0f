// Kafka Streams' smoke test with exactly-once: its driver produces for 90 s and then checks every
// aggregate, while the application is killed three times (fewer where a start takes half a minute: at
// least once) and the broker once.

import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { clients } from '../interop/clients.js';
import { Service } from '../interop/process.js';
import { classPath, javaOptions, type Server } from '../interop/servers.js';
import { check } from './check.js';
import { type Context, conformanceDir, logOf, type Suite } from './suite.js';

const NAME = 'streams';
const libDir = join(conformanceDir, 'clients/java/target/lib');
const MAIN = 'org.apache.kafka.streams.tests.StreamsSmokeTest';
/** As Kafka's own system test makes them. */
const TOPICS = [
  ...['echo', 'data', 'min', 'min-suppressed', 'min-raw', 'max', 'sum', 'sws-raw'],
  ...['sws-suppressed', 'dif', 'cnt', 'avg', 'wcnt', 'tagg'],
];
const START_MS = 120_000;
const END_MS = 420_000;

export const streams: Suite = {
  name: NAME,
  missing: () =>
    existsSync(libDir) && readdirSync(libDir).some((jar) => /^kafka-streams.*-test\.jar/.test(jar))
      ? null
      : "the jar of Kafka Streams' tests",
  run: async (context) => {
    const server = await context.start();
    await check(
      context,
      NAME,
      'StreamsSmokeTest exactly_once_v2, kill -9 of application and broker',
      () => smoke(context, server),
    );
  },
};

async function smoke({ dir }: Context, server: Server): Promise<string> {
  const franz = clients.find(({ name }) => name === 'franz-go');
  for (const topic of TOPICS) await franz?.create(server.bootstrap, topic, 5, {});
  const config = join(dir, 'streams.properties');
  const lines = [
    `bootstrap.servers=${server.bootstrap}`,
    'processing.guarantee=exactly_once_v2',
    `state.dir=${join(dir, 'streams-state')}`,
    'replication.factor=1',
    'num.stream.threads=3',
    'acceptable.recovery.lag=9223372036854775807',
    'session.timeout.ms=10000',
  ];
  writeFileSync(config, `${lines.join('\n')}\n`);
  const start = (command: string): Service => {
    // The same options over the jars of Streams' tests, with the other suite's logging library.
    const options = javaOptions(512).map((one) =>
      one === classPath ? `${libDir}/*:${classPath}` : one,
    );
    return new Service('java', [...options, MAIN, config, command]);
  };
  const services: Service[] = [];
  const application = async (): Promise<Service> => {
    const service = start('process');
    services.push(service);
    await service.waitFor(/REBALANCING -> RUNNING/, START_MS);
    return service;
  };
  let driver: Service | undefined;
  try {
    let running = await application();
    driver = start('run');
    services.push(driver);
    let kills = 0;
    for (; kills < 3; kills++) {
      await running.waitFor(/processed/, START_MS);
      await sleep(8000);
      if (/Result Verification/.test(driver.output)) break;
      await running.killNow();
      if (kills === 0) await server.restart('kill');
      running = await application();
    }
    if (kills === 0) throw new Error('over before anything was killed');
    await driver.waitFor(/^(SUCCESS|FAILURE)/m, END_MS);
    const { output } = driver;
    const verdict = output.slice(output.indexOf('Result Verification'));
    if (!/^ALL-RECORDS-DELIVERED/m.test(output) || !/^SUCCESS/m.test(output)) {
      throw new Error(verdict.slice(0, 3000));
    }
    const more = /PROCESSED-MORE-THAN-GENERATED/.test(output);
    if (more) throw new Error(`more records than generated\n${verdict.slice(0, 2000)}`);
    return `ALL-RECORDS-DELIVERED, SUCCESS; killed: application ${kills}, broker 1`;
  } catch (error) {
    const said = services.map((service) => service.output.slice(-1000)).join('\n---\n');
    throw new Error(`${error instanceof Error ? error.message : error}\n${said}`);
  } finally {
    for (const [index, service] of services.entries()) {
      await service.killNow();
      const log = logOf(NAME, String(index));
      mkdirSync(dirname(log), { recursive: true });
      writeFileSync(log, service.output);
    }
  }
}
