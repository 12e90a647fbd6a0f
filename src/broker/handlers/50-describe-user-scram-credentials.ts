/** DescribeUserScramCredentials 0: as a Kafka without SCRAM users answers. */

import { errorCodes } from '../../protocol/error-codes.js';
import { describeUserScramCredentials } from '../../protocol/messages/50-describe-user-scram-credentials.js';
import { handler } from '../handler.js';

export const describeUserScramCredentialsHandler = handler({
  message: describeUserScramCredentials,
  versions: { min: 0, max: 0 },
  notes: 'there are no SCRAM users',
  handle(_context, { users }) {
    const names = (users ?? []).map(({ name }) => name);
    const results = [...new Set(names)].map((user) => {
      const isTwice = names.indexOf(user) !== names.lastIndexOf(user);
      return {
        user,
        errorCode: isTwice ? errorCodes.DUPLICATE_RESOURCE : errorCodes.RESOURCE_NOT_FOUND,
        errorMessage: isTwice
          ? `Cannot describe SCRAM credentials for the same user twice in a single request: ${user}`
          : `Attempt to describe a user credential that does not exist: ${user}`,
        credentialInfos: [],
      };
    });
    return { errorCode: errorCodes.NONE, errorMessage: '', results };
  },
});
