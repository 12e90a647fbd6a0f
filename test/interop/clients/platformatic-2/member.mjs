import * as library from '@platformatic/kafka';
import { member } from '../platformatic/member-program.mjs';

await member(library);
