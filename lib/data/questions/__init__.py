"""Seven families of algorithmic questions, shaped like BIG-Bench-Hard's: generators, and solvers that read the text.

Format and difficulty follow what was measured on BBH's public files (how many people, swaps, steps, options; which
answers occur how often); wording, names and items are our own, since BBH asks that its items stay out of training data.
A generator builds a question from a hidden state. A solver knows the text and the options only and shares no code with
it, so that each checks the other. `lib.data.programs.tasks` has a task-level program for each family
(Think-and-Execute, arXiv 2404.02575); `Question.arguments` is what it is called with.
"""

from lib.data.questions.base import PEOPLE, Family, Question, final_answer
from lib.data.questions.registry import FAMILIES, questions

__all__ = ["FAMILIES", "PEOPLE", "Family", "Question", "final_answer", "questions"]
