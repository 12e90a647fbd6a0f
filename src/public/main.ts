/** `millrace`: what most programs need. The subpaths have the rest. */

export { MillraceError } from '../base/errors.js';
export type { LogFields, Logger } from '../base/logger.js';
export { Broker, type BrokerOptions } from '../broker/broker.js';
