/** The handlers of the broker, in order of their keys. Adding one here is what serves an API. */

import type { Handler } from '../handler.js';
import { produceHandler } from './00-produce.js';
import { produceUnsupportedHandler } from './00-produce-unsupported.js';
import { fetchHandler } from './01-fetch.js';
import { listOffsetsHandler } from './02-list-offsets.js';
import { metadataHandler } from './03-metadata.js';
import { findCoordinatorHandler } from './10-find-coordinator.js';
import { apiVersionsHandler } from './18-api-versions.js';
import { createTopicsHandler } from './19-create-topics.js';
import { deleteTopicsHandler } from './20-delete-topics.js';
import { initProducerIdHandler } from './22-init-producer-id.js';
import { describeConfigsHandler } from './32-describe-configs.js';
import { describeClusterHandler } from './60-describe-cluster.js';

export const allHandlers: readonly Handler[] = [
  produceUnsupportedHandler,
  produceHandler,
  fetchHandler,
  listOffsetsHandler,
  metadataHandler,
  findCoordinatorHandler,
  apiVersionsHandler,
  createTopicsHandler,
  deleteTopicsHandler,
  initProducerIdHandler,
  describeConfigsHandler,
  describeClusterHandler,
];
