import { removeBlobs } from './blob-shard.js';

/** A thin shell around the handler. */
export default removeBlobs;
