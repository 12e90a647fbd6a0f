/** `millrace/broker`: a broker in this process. */

export { MillraceError } from '../base/errors.js';
export type { LogFields, Logger } from '../base/logger.js';
export { type BoundListener, Broker, type BrokerOptions } from '../broker/broker.js';
export type { BrokerConfigInput, BrokerConfigName } from '../broker/config.js';
export type { ClientTelemetryPush, TelemetryClient } from '../broker/telemetry/client-telemetry.js';
