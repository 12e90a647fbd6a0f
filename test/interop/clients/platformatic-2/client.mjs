import * as library from '@platformatic/kafka';
import { program } from '../platformatic/program.mjs';

const folder = new URL('node_modules/@platformatic/kafka/', import.meta.url);
await program(library, new URL('package.json', folder));
