"""How often a model's answers are right, at the settings that a request without any gets.

    python tests/conformance/answer_quality.py questions --model infe-pulse --seeds 5
        the forty simple questions of questions.json, one user message each: the share of right answers,
        and each question that was missed, with what was said
    python tests/conformance/answer_quality.py capital --model infe-pulse --seeds 100
        the API reference's first example: how many answers say Paris

Right is what the question's pattern finds in the answer, in lower case and without emphasis.
"""
import argparse
import collections
import concurrent.futures
import json
import os
import pathlib
import re
import sys

QUESTIONS = json.loads((pathlib.Path(__file__).parent / "questions.json").read_text())
CAPITAL = [{"role": "system", "content": "You are a helpful assistant."},
           {"role": "user", "content": "What is the capital of France?"}]
MAX_TOKENS = 300  # no right answer needs them; they end one that runs on


def is_right(question, answer):
    plain = re.sub(r"\s+", " ", re.sub(r"[*`$\\]", "", answer.lower()))
    if "wrong" in question and re.search(question["wrong"], plain):
        return False
    return re.search(question["right"], plain) is not None


def ask_all(client, model, jobs, threads, **more):
    """The answers to (messages, seed) pairs, in order."""
    def ask(job):
        messages, seed = job
        return client.chat.completions.create(model=model, messages=messages, seed=seed, max_tokens=MAX_TOKENS,
                                              **more).choices[0].message.content or ""

    with concurrent.futures.ThreadPoolExecutor(threads) as pool:
        return list(pool.map(ask, jobs))


def questions(client, model, seeds, threads=8, **more):
    """The share of right answers, and [(question, seed, answer)] of the others."""
    jobs = [(question, seed) for question in QUESTIONS for seed in seeds]
    answers = ask_all(client, model, [([{"role": "user", "content": question["ask"]}], seed)
                                      for question, seed in jobs], threads, **more)
    missed = [(question["ask"], seed, answer) for (question, seed), answer in zip(jobs, answers)
              if not is_right(question, answer)]
    return 1 - len(missed) / len(jobs), missed


def capital(client, model, seeds, threads=8, **more):
    """As questions(), of the reference's example."""
    seeds = list(seeds)
    answers = ask_all(client, model, [(CAPITAL, seed) for seed in seeds], threads, **more)
    missed = [(CAPITAL[-1]["content"], seed, answer) for seed, answer in zip(seeds, answers)
              if "paris" not in answer.lower()]
    return 1 - len(missed) / len(seeds), missed


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["questions", "capital"])
    parser.add_argument("--base-url", default="http://127.0.0.1:8080/v1")
    parser.add_argument("--model", default="infe-pulse")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=8)
    parser.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE", help="a sampling field, otherwise silent")
    parser.add_argument("--least", type=float, help="exit with 1 below this share")
    args = parser.parse_args()
    from openai import OpenAI
    client = OpenAI(base_url=args.base_url, api_key=os.environ.get("INFE_API_KEY", "none"), max_retries=5, timeout=900)
    fields = {name: json.loads(value) for name, value in (text.split("=", 1) for text in args.set)}
    more = {"extra_body": fields} if fields else {}
    share, missed = {"questions": questions, "capital": capital}[args.what](
        client, args.model, range(1, args.seeds + 1), args.threads, **more)
    for question, count in collections.Counter(question for question, _, _ in missed).most_common():
        said = next(answer for asked, _, answer in missed if asked == question)
        print(f"  {count} of {args.seeds}: {question}  ->  {said[:160]!r}")
    print(f"{args.model}: {100 * share:.1f}% right over {args.seeds} seeds {fields or ''}")
    sys.exit(1 if args.least is not None and share < args.least else 0)


if __name__ == "__main__":
    main()
