import { isSpace } from './characters.ts';

/** Collects the words of a result; what a variable holds is split, what was quoted or escaped is not. */
export class WordCollector {
  readonly all: string[] = [];
  #word = '';
  #isInWord = false;

  addChar(char: string): void {
    if (!isSpace(char)) this.addRaw(char);
    else if (this.#isInWord && this.#word !== '') {
      this.all.push(this.#word);
      this.#word = '';
      this.#isInWord = false;
    }
  }

  addRaw(text: string): void {
    this.#word += text;
    this.#isInWord = true;
  }

  end(): string[] {
    if (this.#word !== '') this.all.push(this.#word);
    this.#word = '';
    return this.all;
  }
}
