/** DescribeCluster 0-2: this node, which is also its own controller. */

import { errorCodes } from '../../protocol/error-codes.js';
import { describeCluster } from '../../protocol/messages/60-describe-cluster.js';
import { CLUSTER_OPERATIONS, OPERATIONS_NOT_ASKED } from '../authorized-operations.js';
import { handler } from '../handler.js';

const BROKERS = 1;

export const describeClusterHandler = handler({
  message: describeCluster,
  versions: { min: 0, max: 2 },
  notes: '',
  handle({ broker, advertised }, { endpointType, includeClusterAuthorizedOperations }) {
    if (endpointType !== BROKERS) {
      return {
        errorCode: errorCodes.MISMATCHED_ENDPOINT_TYPE,
        errorMessage:
          'The request was sent to an endpoint of type BROKER, but we wanted an endpoint of type CONTROLLER',
        endpointType: BROKERS,
        clusterId: broker.clusterId,
        brokers: [],
      };
    }
    return {
      errorCode: errorCodes.NONE,
      endpointType: BROKERS,
      clusterId: broker.clusterId,
      controllerId: broker.nodeId,
      brokers: [
        { brokerId: broker.nodeId, ...advertised, rack: broker.config.values['broker.rack'] },
      ],
      clusterAuthorizedOperations: includeClusterAuthorizedOperations
        ? CLUSTER_OPERATIONS
        : OPERATIONS_NOT_ASKED,
    };
  },
});
