/** What a listener counts: plain numbers that only rise, but for `connections`. */
export interface NetCounters {
  /** Open now. */
  connections: number;
  connectionsAccepted: number;
  /** Turned away by a connection bound or for lack of descriptors. */
  connectionsRefused: number;
  frames: number;
  /** Of those, handled in the read buffer without a copy. */
  framesInPlace: number;
  bytesReceived: number;
  /** Sent from file slices by sendfile(2). */
  bytesSentBySendfile: number;
  /** Sent from memory: headers, and file bytes that were copied. */
  bytesSentFromMemory: number;
  /** Copied from file slices to be sent; a piece that had to be sent again counts again. */
  bytesCopiedFromFiles: number;
  /** Ranges that were not in the page cache and were read in the pool before they were sent. */
  prefetches: number;
  /** Steps that were read ahead of a reader. */
  readAheads: number;
  /** Read so, and given back to the page cache when others had come. */
  bytesDropped: number;
  /** Times that reading was stopped by a bound. */
  pauses: number;
}

export function newNetCounters(): NetCounters {
  return {
    connections: 0,
    connectionsAccepted: 0,
    connectionsRefused: 0,
    frames: 0,
    framesInPlace: 0,
    bytesReceived: 0,
    bytesSentBySendfile: 0,
    bytesSentFromMemory: 0,
    bytesCopiedFromFiles: 0,
    prefetches: 0,
    readAheads: 0,
    bytesDropped: 0,
    pauses: 0,
  };
}
