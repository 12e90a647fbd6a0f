/** Config entries as CreateTopics and DescribeConfigs answer them: sources and types by their codes. */

import type { ConfigType } from '../base/config-table.js';
import type { ConfigSource, DescribedConfig } from '../log/topic-config.js';

export const configSourceCodes: Readonly<Record<ConfigSource, number>> = {
  DYNAMIC_TOPIC_CONFIG: 1,
  DYNAMIC_BROKER_CONFIG: 2,
  DYNAMIC_DEFAULT_BROKER_CONFIG: 3,
  STATIC_BROKER_CONFIG: 4,
  DEFAULT_CONFIG: 5,
  CLIENT_METRICS_CONFIG: 7,
  GROUP_CONFIG: 8,
};

export const configTypeCodes: Readonly<Record<ConfigType, number>> = {
  boolean: 1,
  string: 2,
  int: 3,
  short: 4,
  long: 5,
  double: 6,
  list: 7,
  class: 8,
  password: 9,
};

/** The fields that both answers have. */
export function configAnswer(
  config: DescribedConfig & { readonly readOnly?: boolean; readonly sensitive?: boolean },
) {
  return {
    name: config.name,
    value: config.value,
    readOnly: config.readOnly ?? false,
    configSource: configSourceCodes[config.source],
    isSensitive: config.sensitive ?? false,
  };
}
