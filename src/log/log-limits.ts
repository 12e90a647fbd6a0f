/** Bounds of the log room that are not settings of Kafka's. */

/** Pending appends of one partition are written at once, not at the end of the tick, beyond this. */
export const PENDING_BYTES_MAX = 1 << 20;
/** Record errors in one answer; the rest are only counted. */
export const RECORD_ERRORS_MAX = 16;
/** Producer ids remembered per partition; the one that was silent longest is forgotten. */
export const PRODUCER_IDS_MAX = 65_536;
/** producer.id.expiration.ms where nothing else is said. */
export const PRODUCER_ID_EXPIRATION_MS = 86_400_000;
/** First size of the buffer that borrowed batches are copied into until the tick ends. */
export const ARENA_BYTES = 1 << 18;
