/** DescribeUserScramCredentials: mechanisms and iterations of SCRAM users, never their passwords. */

import { api, array, int8, int16, int32, string } from '../schema.js';

export const describeUserScramCredentials = api({
  key: 50,
  name: 'DescribeUserScramCredentials',
  versions: '0',
  flexible: '0+',
  request: {
    /** Null or empty: all. */
    users: array({ name: string() }, { nullable: '0+' }),
  },
  response: {
    throttleTimeMs: int32({ default: 0 }),
    errorCode: int16(),
    errorMessage: string({ nullable: '0+' }),
    results: array({
      user: string(),
      errorCode: int16(),
      errorMessage: string({ nullable: '0+' }),
      credentialInfos: array({ mechanism: int8(), iterations: int32() }),
    }),
  },
});
