import * as library from '@platformatic/kafka';
import { member } from './member-program.mjs';

await member(library);
