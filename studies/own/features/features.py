"""Which groups of measurements does a classifier of breast tumours need? A plain script; it knows nothing of ablate."""

import argparse
import json

import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

GROUPS = {"mean": slice(0, 10), "error": slice(10, 20), "worst": slice(20, 30)}

parser = argparse.ArgumentParser()
parser.add_argument("--model", choices=["logistic", "forest"], default="logistic")
parser.add_argument("--drop", nargs="*", choices=list(GROUPS), default=[], help="groups of features to leave out")
parser.add_argument("--C", type=float, default=1.0, help="inverse strength of the regularisation")
parser.add_argument("--seed", type=int, default=0, help="of the split into training and test data")
options = parser.parse_args()

data = load_breast_cancer()
kept = np.ones(data.data.shape[1], dtype=bool)
for name in options.drop:
    kept[GROUPS[name]] = False
train_x, test_x, train_y, test_y = train_test_split(
    data.data[:, kept], data.target, test_size=0.4, random_state=options.seed, stratify=data.target
)
if options.model == "forest":
    model = RandomForestClassifier(n_estimators=50, random_state=options.seed)
else:
    model = make_pipeline(StandardScaler(), LogisticRegression(C=options.C, max_iter=1000))
model.fit(train_x, train_y)
scores = model.predict_proba(test_x)[:, 1]
error = 100 * float(np.mean((scores > 0.5) != test_y))
print(json.dumps({"test_error_pct": error, "test_auc": float(roc_auc_score(test_y, scores))}))
