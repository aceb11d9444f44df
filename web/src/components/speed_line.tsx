// The live speed of one answer: what the page measured, and what the server counted.
import { type Speed, tokensPerSecond } from '../conversation';

function duration(ms: number): string {
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(ms < 10_000 ? 2 : 1)} s`;
}
const rateOf = (rate: number): string => `${rate < 100 ? rate.toFixed(1) : rate.toFixed(0)} tokens/s`;

function Fact({ name, value, title }: { name: string; value: string; title: string }) {
  return <div title={title}><dt>{name}</dt><dd>{value}</dd></div>;
}

export function SpeedLine({ speed, isRunning, seed }: { speed: Speed; isRunning: boolean; seed?: string }) {
  if (speed.firstMs === undefined) return null;
  const rate = tokensPerSecond(speed, speed.endMs ?? 0);
  const about = speed.isCounted ? '' : '~';
  const first = speed.prefillMs === undefined ? ''
    : ` The server says: ${speed.queueMs?.toFixed(1)} ms in its queue, ${speed.prefillMs.toFixed(1)} ms for the prompt.`;
  const decode = speed.decodeRate ? ` The server says: ${rateOf(speed.decodeRate)}.` : '';
  return (
    <dl class="speed" aria-hidden={isRunning}>
      <Fact name="first token" value={duration(speed.firstMs)} title={`From sending the request to the first text, measured here.${first}`} />
      {rate !== undefined && <Fact name="speed" value={rateOf(rate)} title={`Tokens after the first one, over their time, measured here.${decode}`} />}
      <Fact name="answer" value={`${about}${speed.tokens} tokens`} title={speed.isCounted ? 'Counted by the server' : 'Pieces received so far'} />
      {!!speed.reasoningTokens && <Fact name="reasoning" value={`${speed.reasoningTokens} tokens`} title="Of the answer: thought, not said" />}
      {speed.promptTokens !== undefined && <Fact name="prompt" value={`${speed.promptTokens} tokens`} title="Counted by the server" />}
      {speed.cachedTokens !== undefined && <Fact name="cached" value={`${speed.cachedTokens} tokens`} title="Of the prompt: known from before, not computed again" />}
      {speed.draftedTokens !== undefined && <Fact name="drafted" value={`${speed.acceptedTokens} of ${speed.draftedTokens} taken`} title="Tokens that were guessed ahead, and how many of these guesses were right" />}
      {seed !== undefined && !isRunning && <Fact name="seed" value={seed} title="The same request with this seed gives the same bytes" />}
    </dl>
  );
}
