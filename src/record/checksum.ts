/** CRC-32C for the rooms above, which do not know the addon. */

export { crc32c } from '../native/crc32c.js';
