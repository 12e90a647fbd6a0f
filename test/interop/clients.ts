// The clients of the suite, in the order of the table.

import { join } from 'node:path';
import { type Client, ProgramClient } from './client.js';
import { ConsoleClient } from './console.js';
import { KcatClient } from './kcat.js';
import { interopDir } from './paths.js';
import { javaOptions } from './servers.js';

const programs = join(interopDir, 'clients');
const noZstd: { zstd?: string } =
  'zstdCompressSync' in process.getBuiltinModule('node:zlib')
    ? {}
    : { zstd: 'zstd: it takes zstd from node:zlib, which has it from Node 22.15 on' };
const python = join(programs, 'python/.venv/bin/python');

/** Of @platformatic/kafka. */
const NO_HEIR = 'no second producer takes the id over: it asks for one as producer 0 of epoch 0';

export const kcat = new KcatClient();

export const clients: readonly Client[] = [
  kcat,
  new ProgramClient({
    name: 'kafkajs',
    command: [process.execPath, join(programs, 'kafkajs/client.mjs')],
    needs: join(programs, 'kafkajs/node_modules/kafkajs'),
    limits: ['max-timestamp', 'null-header'],
  }),
  new ProgramClient({
    name: 'platformatic',
    command: [process.execPath, join(programs, 'platformatic/client.mjs')],
    needs: join(programs, 'platformatic/node_modules/@platformatic/kafka'),
    notApplicable: noZstd,
    unreadable: {
      ...noZstd,
      snappy:
        'snappy: it does not read the xerial framing that Java, sarama and kafka-python write',
    },
    remarks: {
      steer: 'pause: it pauses its whole stream; seek: it opens another stream',
      transactions: NO_HEIR,
    },
  }),
  new ProgramClient({
    name: 'platformatic 2',
    // A Node.js of its own, newer than the oldest that we run on.
    command: [
      join(programs, 'platformatic-2/node_modules/.bin/node'),
      join(programs, 'platformatic-2/client.mjs'),
    ],
    needs: join(programs, 'platformatic-2/node_modules/node/bin/node'),
    remarks: {
      steer: 'pause: it pauses its whole stream; seek: it opens another stream',
      transactions: NO_HEIR,
    },
  }),
  new ProgramClient({
    name: 'node-rdkafka',
    command: [process.execPath, join(programs, 'node-rdkafka/client.mjs')],
    needs: join(
      programs,
      'node-rdkafka/node_modules/node-rdkafka/build/Release/node-librdkafka.node',
    ),
    notApplicable: { configs: 'node-rdkafka has no such call' },
    lacks: ['retention', 'earliest', 'listed', 'state', 'left'],
    remarks: {
      admin: 'it has calls for creating and deleting topics and partitions only',
    },
    limits: ['max-timestamp', 'null-header', 'empty-value', 'reads null headers as empty'],
  }),
  new ProgramClient({
    name: 'confluent-kafka-python',
    command: [python, join(programs, 'python/confluent.py')],
    needs: python,
  }),
  new ProgramClient({
    name: 'kafka-python',
    command: [python, join(programs, 'python/kafka_python.py')],
    needs: python,
    limits: ['max-timestamp', 'null-header'],
  }),
  new ProgramClient({
    name: 'franz-go',
    command: [join(programs, 'go/bin/franz')],
    needs: join(programs, 'go/bin/franz'),
  }),
  new ProgramClient({
    name: 'sarama',
    command: [join(programs, 'go/bin/sarama')],
    needs: join(programs, 'go/bin/sarama'),
    remarks: {
      steer: 'seek: in a group it has none; it resets the offset and begins a new session',
    },
    limits: ['max-timestamp'],
  }),
  new ProgramClient({
    name: 'java',
    command: ['java', ...javaOptions(256), 'millrace.interop.Client'],
    needs: join(programs, 'java/target/classes'),
  }),
  new ConsoleClient(),
];
