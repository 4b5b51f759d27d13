// Swaps two names below a directory as fast as it can, until it is killed: RENAME_EXCHANGE of argv[2] and argv[3].
import { AT, RENAME } from '../../../native-bindings/constants.ts';
import { renameat2 } from '../../../native-bindings/files.ts';

const [, , first, second] = process.argv as [string, string, string, string];
process.stdout.write('racing\n');
for (;;) renameat2(AT.FDCWD, first, AT.FDCWD, second, RENAME.EXCHANGE);
