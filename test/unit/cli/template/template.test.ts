import { describe, expect, it } from 'vitest';
import { compileTemplate } from '../../../../cli/template/render.ts';
import { Struct } from '../../../../cli/template/values.ts';

const data = { Name: 'web', N: 3, List: ['a', 'b'], Map: { z: '1', y: '2' }, Nil: null, Nested: { Deep: { X: true } } };
const render = (source: string, value: unknown = data) => compileTemplate(source).render(value);

describe('Go templates', () => {
  it.each([
    ['{{.Name}}', 'web'],
    ['{{ .Nested.Deep.X }}', 'true'],
    ['a {{- " b " -}} c', 'a b c'],
    ['{{/* nothing */}}x', 'x'],
    ['{{.Map}} {{.List}} {{.Nil}} {{.Missing}}', 'map[y:2 z:1] [a b] <nil> <no value>'],
    ['{{if .Missing}}a{{else if eq .N 3}}b{{else}}c{{end}}', 'b'],
    ['{{range $i, $e := .List}}{{$i}}={{$e}};{{end}}', '0=a;1=b;'],
    ['{{range $k, $v := .Map}}{{$k}}{{$v}}{{end}}', 'y2z1'],
    ['{{range .Missing}}x{{else}}none{{end}}', 'none'],
    ['{{range .List}}{{if eq . "b"}}{{break}}{{end}}{{.}}{{end}}', 'a'],
    ['{{range .List}}{{if eq . "a"}}{{continue}}{{end}}{{.}}{{end}}', 'b'],
    ['{{with .Nested}}{{.Deep.X}}{{$.Name}}{{end}}', 'trueweb'],
    ['{{$x := 1}}{{if true}}{{$x = 2}}{{end}}{{$x}}', '2'],
    ['{{define "t"}}<{{.}}>{{end}}{{template "t" .Name}}', '<web>'],
    ['{{block "b" .N}}{{.}}!{{end}}', '3!'],
    ['{{.Name | printf "%-5s|%5s|%q" "x" "y"}}', 'x    |    y|"web"'],
    ['{{printf "%05d %x %.2f %v %t %%" 42 255 1.5 .List true}}', '00042 ff 1.50 [a b] true %'],
    ['{{len .List}} {{index .List 1}} {{index .Map "y"}} {{slice .Name 1 2}}', '2 b 2 e'],
    [
      '{{and 1 0}} {{or 0 "x"}} {{not 0}} {{eq 1 2 1}} {{ne "a" "b"}} {{lt 1 2}} {{ge 2 2}}',
      '0 x true true true true true',
    ],
    ['{{json .Map}} {{json .List}}', '{"z":"1","y":"2"} ["a","b"]'],
    [
      '{{upper .Name}} {{title .Name}} {{join .List ","}} {{pad .Name 1 1}}| {{truncate .Name 2}}',
      'WEB Web a,b  web | we',
    ],
    ['{{range split "a/b" "/"}}[{{.}}]{{end}}', '[a][b]'],
    ['{{println "a" 1}}{{print 1 2 "x"}}', 'a 1\n1 2x'],
    ['{{(index .List 0) | upper}}', 'A'],
    ['{{`raw "text"`}}{{"\\t\\u00e9"}}', 'raw "text"\té'],
  ])('%s', (source, expected) => expect(render(source)).toBe(expected));

  it.each([
    ['{{', 'template: :1: unclosed action'],
    ['{{foo}}', 'template: :1: function "foo" not defined'],
    ['{{if .A}}', 'template: :1: unexpected EOF'],
    ['\n{{end}}', 'template: :2: unexpected {{end}}'],
    ['{{"x}}', 'template: :1: unterminated quoted string'],
    ['{{break}}', 'template: :1: {{break}} outside {{range}}'],
    ['{{.A | }}', 'template: :1: missing value for command'],
  ])('refuses %j', (source, message) => expect(() => compileTemplate(source)).toThrow(message));

  it('names the field and its place', () => {
    const value = new Struct('*formatter.ContainerContext', { Name: () => 'x' });
    expect(() => render('{{.Foo}}', value)).toThrow(
      `template: :1:2: executing "" at <.Foo>: can't evaluate field Foo in type *formatter.ContainerContext`,
    );
    const rules = {
      missingKey(key: string) {
        throw new Error(`map has no entry for key "${key}"`);
      },
    };
    expect(() => compileTemplate('{{.Nested.Nope}}').render(data, rules)).toThrow(
      'template: :1:9: executing "" at <.Nested.Nope>: map has no entry for key "Nope"',
    );
  });

  it('does not find members that the value does not own', () => {
    expect(render('{{.constructor}} {{.__proto__}} {{.toString}}')).toBe('<no value> <no value> <no value>');
    expect(() => render('{{.constructor}}', new Struct('S', {}))).toThrow("can't evaluate field constructor");
  });

  it('ends templates that call themselves', () => {
    expect(() => render('{{define "t"}}{{template "t" .}}{{end}}{{template "t" .}}')).toThrow('maximum template depth');
  });

  it("escapes HTML only in docker's own list entries", () => {
    expect(render('{{json .}}', new Struct('S', { B: () => '<none>', A: () => 1 }))).toBe(
      '{"A":1,"B":"\\u003cnone\\u003e"}',
    );
    expect(render('{{json .X}}', { X: '<none>' })).toBe('"<none>"');
  });
});
