"""Statistics of ablation tables: pure functions over mappings from seed to value. Import scipy at most."""
