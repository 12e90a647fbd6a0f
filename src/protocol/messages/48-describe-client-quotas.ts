/** DescribeClientQuotas: the quotas of the entities that a filter matches. */

import { api, array, bool, float64, int8, int16, int32, string } from '../schema.js';

export const describeClientQuotas = api({
  key: 48,
  name: 'DescribeClientQuotas',
  versions: '0-1',
  flexible: '1+',
  request: {
    components: array({
      entityType: string(),
      matchType: int8({ doc: '0 this name, 1 the default, 2 any' }),
      match: string({ nullable: '0+' }),
    }),
    strict: bool({ doc: 'only entities of exactly these types' }),
  },
  response: {
    throttleTimeMs: int32({ default: 0 }),
    errorCode: int16(),
    errorMessage: string({ nullable: '0+' }),
    entries: array(
      {
        entity: array({
          entityType: string(),
          entityName: string({ nullable: '0+', doc: 'null for the default' }),
        }),
        values: array({
          key: string(),
          value: float64(),
        }),
      },
      { nullable: '0+' },
    ),
  },
});
