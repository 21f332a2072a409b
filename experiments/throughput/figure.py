def summary(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table with its rounds reduced to smallest, median and largest cost and the median seconds."""
    fixed = [*table.columns[: list(table.columns).index("round")]]
    grouped = table.groupby(fixed, sort=False)
    reduced = grouped[COST].agg(["min", "median", "max"]).add_prefix(f"{COST}_").round(3)
    return reduced.assign(rounds=grouped.size(), seconds_median=grouped["seconds"].median().round(4)).reset_index()


def draw(table: pd.DataFrame, path: Path) -> None:
    """Draw the engine's sweeps and the other methods' costs; write the numbers beside the figure as table.csv."""
    reduced = summary(table)
    reduced.to_csv(path.with_name("table.csv"), index=False)
    sweeps = {}
    for part in ("networks", "rows", "hidden_size", "epochs"):
        measured = sweep(table, part)
        sizes = measured.columns.to_numpy(dtype=float)
        # Against epochs the whole time is drawn; the other sweeps are of 1000 epochs.
        factor, growth = (sizes / EPOCHS, sizes) if part == "epochs" else (1.0, expected_growth(part, sizes))
        bounds = np.array([measured.min(), measured.median(), measured.max()]) * factor
        sweeps[part.replace("_", " ")] = (sizes, bounds, growth)
    methods = reduced[(reduced["part"] == "methods") & ~reduced["method"].isin([ENGINE_ONE, ENGINE_BLOCK, ENGINE])]
    named = methods.set_index("method")
    markers = {str(name): (float(row["networks"]), float(row[f"{COST}_median"])) for name, row in named.iterrows()}
    figures.throughput(sweeps, markers, path=path)
