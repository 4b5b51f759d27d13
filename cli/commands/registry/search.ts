import type { SearchResult } from '../../../daemon/docker-types/image.ts';
import { boolFlag, integerFlag, listFlag, stringFlag } from '../../../daemon/protocols/flags/flag.ts';
import { defineCommand, exactly } from '../../command.ts';
import { registryHeaders } from '../../credentials/open-store.ts';
import { ellipsis } from '../../formats/display-width.ts';
import { filtersQuery, validateFilter } from '../../options/filters.ts';
import { Struct } from '../../template/values.ts';
import { parseListFormat, renderList } from '../../views/list.ts';

const headers: Record<string, string> = {
  Name: 'NAME',
  Description: 'DESCRIPTION',
  StarCount: 'STARS',
  IsOfficial: 'OFFICIAL',
  IsAutomated: 'AUTOMATED',
};
const table = 'table {{.Name}}\\t{{.Description}}\\t{{.StarCount}}\\t{{.IsOfficial}}';
const descriptionWidth = 45;

export const search = defineCommand({
  usage: '[OPTIONS] TERM',
  short: 'Search Docker Hub for images',
  flags: {
    filter: listFlag('filter,f', 'Filter output based on conditions provided', {
      typeName: 'filter',
      validate: validateFilter,
    }),
    format: stringFlag('format', 'Pretty-print search using a Go template'),
    limit: integerFlag('limit', 'Max number of search results'),
    noTrunc: boolFlag('no-trunc', "Don't truncate output"),
  },
  arguments: exactly(1),
  async run({ cli, flags, args: [term = ''] }) {
    const format = parseListFormat(flags.format || 'table', table);
    const query = { term, limit: flags.limit || undefined, filters: filtersQuery(flags.filter) };
    const response = await cli.client.request('GET', '/images/search', {
      query,
      headers: await registryHeaders(cli, term),
    });
    // The daemon's schema is what SearchResult says.
    const results = JSON.parse((await response.body.bytes()).toString()) as SearchResult[];
    results.sort((a, b) => b.star_count - a.star_count);
    cli.out.print(
      renderList(
        format,
        headers,
        results.map((result) => view(result, !flags.noTrunc)),
      ),
    );
    return 0;
  },
});

function view(result: SearchResult, truncate: boolean): Struct {
  const description = result.description.replace(/[\r\n]/g, ' ').replace(/[\0-\x1f\x7f]/g, '');
  const mark = (is: boolean) => (is ? '[OK]' : '');
  return new Struct('*search.context', {
    Name: () => result.name,
    Description: () => (truncate ? ellipsis(description, descriptionWidth) : description),
    StarCount: () => String(result.star_count),
    IsOfficial: () => mark(result.is_official),
    IsAutomated: () => mark(result.is_automated ?? false),
  });
}
