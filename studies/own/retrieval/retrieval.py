"""An evaluation without training: find the help text of Python to which a sentence belongs. A plain script."""

import argparse
import json
import random
import re
from pydoc_data.topics import topics

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer

parser = argparse.ArgumentParser()
parser.add_argument("--no-idf", action="store_true", help="count words without weighting rare ones")
parser.add_argument("--no-sublinear", action="store_true", help="count a word that stands ten times ten times")
parser.add_argument("--ngrams", type=int, default=2, help="longest sequence of words that is counted")
parser.add_argument("--queries", type=int, default=300)
parser.add_argument("--seed", type=int, default=0, help="which sentences are the queries")
options = parser.parse_args()

names = sorted(topics)
draw = random.Random(options.seed)
documents, queries = [], []
for number, name in enumerate(names):
    sentences = re.split(r"(?<=[.:])\s+", topics[name])
    chosen = draw.randrange(len(sentences))
    queries.append((number, sentences.pop(chosen)))  # the sentence is not left in the document
    documents.append(" ".join(sentences))
queries = draw.choices(queries, k=options.queries)

vectorizer = TfidfVectorizer(
    ngram_range=(1, options.ngrams), use_idf=not options.no_idf, sublinear_tf=not options.no_sublinear
)
table = vectorizer.fit_transform(documents)
scores = (vectorizer.transform([sentence for _, sentence in queries]) @ table.T).toarray()
ranks = np.array([1 + int((row > row[right]).sum()) for row, (right, _) in zip(scores, queries)])
print(json.dumps({"mrr": float(np.mean(1 / ranks)), "recall_at_5": float(np.mean(ranks <= 5))}))
