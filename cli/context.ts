// What every command gets: the streams, the client of the daemon, the user's configuration. Built once by main.ts.
import type { ApiClient } from './client/api-client.ts';
import type { ConfigFile } from './config-file.ts';
import type { GlobalOptions } from './global-options.ts';
import type { Output } from './terminal/output.ts';

export interface Cli {
  /** How the user calls the program: `tsdocker`. */
  program: string;
  options: GlobalOptions;
  out: Output;
  err: Output;
  client: ApiClient;
  /** ~/.docker/config.json, as far as it is no secret. */
  config(): ConfigFile;
}
