"""The model card: what a model is for, what it must not be used for, and every figure that was measured of it.

Written from result rows and the model's own record, so that no figure is copied by hand.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from mien.evaluation.corruptions import MIDDLE
from mien.evaluation.intervals import percent
from mien.evaluation.slices import UNMEASURED
from mien.exporting import card_tables as tables
from mien.exporting.card_facts import (
    KG_A_KWH,
    OVERHEAD,
    WATTS_A_CORE,
    WATTS_A_GPU,
    CardFacts,
    cost,
)

__all__ = ["card_sections", "model_card"]

_USES = """\
**Made for**

- counting and sorting expressions in pictures and recordings of people who agreed to it: studies of pictures and films,
  teaching how such models work and fail, art, sorting one's own photos, describing a picture to people who cannot see it;
- research on recognising expressions: a baseline with stated figures, a network to start from;
- showing someone their own expression, on their own machine, because they want to see it.

Answers are about groups and tendencies. A single answer about a single face is too often wrong to carry any weight.

**Refused**

- **grading** or assessing pupils, students or anyone's attention, effort or honesty;
- **hiring**, promoting, dismissing or watching employees, or judging applicants in interviews;
- **policing**, border control, lie detection, finding suspects or guessing intentions;
- **diagnosis**, triage or therapy: an expression is no symptom, and no part of this was tested as a medical device;
- **education and the workplace in the European Union**: inferring emotions there is prohibited, save for medical or safety
  reasons (Regulation (EU) 2024/1689, [Art. 5(1)(f)](https://eur-lex.europa.eu/eli/reg/2024/1689/oj)). Other systems for
  recognising emotions are high-risk there (Annex III, 1(c)), and people must be told that they are exposed to one
  (Art. 50(3));
- insurance, credit, housing, advertising to a person by their face, or any other decision about someone;
- faces of people who do not know of it or did not agree, and of children without their guardians' consent."""

_DATA = """\
- **FER2013** (Goodfellow et al. 2013, <https://arxiv.org/abs/1307.0414>): 35,887 grey pictures of 48 × 48 px, found by an image
  search on the web with words for emotions, cut out by a face detector, labelled with seven expressions and checked by hand.
  28,709 are for training; the other two splits are not trained on.
- **FER+** (Barsoum et al. 2016, <https://arxiv.org/abs/1608.01041>): ten votes for each of these pictures, eight expressions, and
  *unknown* and *not a face*.
{beyond}

**Licence of the data.** FER+'s votes are under the MIT licence. FER2013 was given out for a competition and for research; its
pictures belong to photographers who were not asked, and show people who were not asked either. mien ships none of
them. Whether weights trained on such pictures may be used for everything is not settled law; who wants to sell something
with them should ask a lawyer, or train on data of their own (`mien train`).

**What is known to be wrong with it.** Labels are what strangers called a face: FER+ and FER2013 agree on about two pictures in
three, and people asked again reach about 65 % on FER2013's labels. Many expressions are posed. Some 1,500 groups of pictures are
identical to the pixel, and 556 of them cross splits, hence the scores *without copies*. Disgust and contempt are rare."""

_NOTHING_ELSE = "- Nothing else: no other faces, and no weights from other data."

_OTHER_DATA = """\
Data of its maker's own, which this record tells by its hash only. **To be added by whoever passes the model on**: what the
pictures are, where they are from, whether the people in them agreed, who labelled them, and under which licence they are."""

_LIMITS = f"""\
- **An expression is not a feeling.** The model says what people who see only the picture would call the face.
- **People.** {UNMEASURED}
- **Pose.** Faces are mostly frontal and upright. Heads turned far aside or hidden by hands, masks or hair are little tested.
- **The way from a photo to a face** is not in these figures: a detector misses faces and cuts them out differently.
- **Cultures and context.** The same face means different things among different people and in different moments; no picture
  of a face alone holds that.
- **Any picture gets an answer**, a wall too if it is cut out as a face. The confidence is calibrated for faces only."""

_FER2013_LIMITS = """\
- **Whom the pictures show**: those whom an image search found in 2013. Skin tones, ages, head coverings and cultures are
  unevenly present, and errors must be expected to be uneven too.
- **A score on PublicTest is slightly too good**: what could be chosen was chosen there, and where a last layer was fitted again,
  its offsets were fitted there; what learns from such a network, or begins with it, has them at second hand. PrivateTest is scored
  once, by a command of its own, and stands in the tables from then on."""

_HOW_MEASURED = """\
Intervals (in brackets) are 95 %: bootstrap for scores, Wilson's for a single proportion, paired bootstrap for drops.
*Without copies* leaves out test pictures that Training holds to the pixel. *Views* are versions of a face whose answers are
averaged; the recogniser uses none. The protocol in full is `docs/protocol.md` of mien."""


def model_card(models: Sequence[CardFacts], remade_by: str) -> str:
    """Return the card of one or several models as Markdown.

    Args:
        models: From `card_facts`, at least one.
        remade_by: The command that writes the card, for its first lines.
    """
    names = ", ".join(facts.info.name for facts in models)
    lines = [f"# Model card: {names}", "", f"Made by `{remade_by}`: do not edit.", ""]
    lines += [*card_sections(models), ""]
    return "\n".join(lines)


def card_sections(models: Sequence[CardFacts]) -> Iterator[str]:
    """Yield the lines of a card below its title."""
    yield from _models(models)
    yield from ("", "## Uses, intended and refused", "", _USES)
    is_fer2013 = all(map(_learned_from_fer2013, models))
    data = _DATA.format(beyond=_beyond(models)) if is_fer2013 else _OTHER_DATA
    yield from ("", "## Data", "", data)
    yield from _training(models)
    yield from ("", "## Figures", "", _HOW_MEASURED)
    for facts in models:
        yield from _figures(facts)
    yield from ("", "## Known weak points", "")
    for facts in models:
        yield from _weak_points(facts)
    yield _LIMITS
    if is_fer2013:
        yield _FER2013_LIMITS
    yield from _costs(models)
    licences = ", ".join(sorted({facts.info.licence for facts in models}))
    yield from (
        "",
        "## Licence",
        "",
        f"Weights and code: {licences}, without any warranty. The data has terms of its own, above. "
        "To cite: `CITATION.cff`.",
    )


def _learned_from_fer2013(facts: CardFacts) -> bool:
    """Whether the data of the training has FER2013's name in a score: others are scored on FER2013, too.

    A score only gets it where the data's counts are the published ones. The record's own scores do not say on which data
    they are; frequencies of labels are noted only where it is that of the training.
    """
    trained_on = facts.info.provenance.get("data_hash")
    protocols = [row["protocol"] for row in facts.rows if row["data"]["hash"] == trained_on]
    if any(head.prior for head in facts.info.heads):
        protocols += facts.info.scores
    return any(protocol.startswith("fer2013-") for protocol in protocols)


def _beyond(models: Sequence[CardFacts]) -> str:
    """Say what was learned from beside FER2013 and FER+."""
    names = ", ".join(facts.info.name for facts in models if facts.info.from_imagenet)
    if not names:
        return _NOTHING_ELSE
    return f"- **ImageNet's pictures**, in the weights behind {names} (Training, below); no other faces."


def _models(models: Sequence[CardFacts]) -> Iterator[str]:
    yield "| model | network | parameters | MACs a face | file | input | answers |"
    yield "|---|---|--:|--:|---|---|---|"
    for facts in models:
        info, spec = facts.info, facts.info.input
        colours = "grey" if spec.channels == 1 else "RGB"
        precision = info.provenance.get("export", {}).get("precision", "")
        cells = (
            info.name,
            info.architecture,
            _millions(facts.file["parameters"]),
            _millions(facts.file["macs"]),
            f"{facts.file['format']} {precision}, {facts.file['bytes'] / 1e6:.1f} MB",
            f"{spec.size} × {spec.size} px, {colours}",
            "; ".join(f"{head.name}: {', '.join(head.labels)}" for head in info.heads),
        )
        yield f"| {' | '.join(cells)} |"
    yield ""
    yield "A square picture of one face goes in; for each set of labels, calibrated probabilities come out."
    yield from (f"SHA-256 of {f.info.name}: `{f.file['sha256']}`  " for f in models)


def _training(models: Sequence[CardFacts]) -> Iterator[str]:
    yield from ("", "## Training", "")
    yield "Recipes and runs are called as they were then; the first lines of the files in `recipes/` say what they were called when they ran."
    yield ""
    for facts in models:
        record = facts.info.provenance
        yield f"- **{facts.info.name}**: `{record.get('command', 'unknown')}`, commit {record.get('commit', 'unknown')}, "
        yield f"  {_told(record)}; data `{str(record.get('data_hash', 'unknown'))[:12]}…`, {record.get('date', 'no date')}."
        if "recipe" in record:
            yield f"  {_origins(record)}{_recipe(record['recipe'])}"
        if "same_answer_as_fp32" in record.get("export", {}):
            same = record["export"]["same_answer_as_fp32"]
            shown = ", ".join(f"{name} {percent(share)} %" for name, share in same.items())
            yield f"  Same answer in int8 as in fp32: {shown} ({record['export']['compared_on']})."
        if "refit" in record:
            yield f"  {_refit(record['refit'])}"


def _told(record: Any) -> str:
    return ", ".join(
        f"{key} {record[key]}" for key in ("seed", "epochs", "precision") if key in record
    )


def _refit(heads: Any) -> str:
    fitted = "; ".join(
        f"{name} on {head['num_train']:,} training faces, offsets on {head['num_valid']:,} validation faces"
        for name, head in heads.items()
    )
    return (
        f"Its last layer was fitted again on the labels that it is scored by (`mien refit`): {fitted}. The offsets were chosen "
        "on the faces of the figures below."
    )


def _recipe(recipe: Any) -> str:
    optimizer, train, augment = recipe["optimizer"], recipe["train"], recipe["augment"]
    heads = "; ".join(
        f"{head['labels']} (weight {head['weight']:g}, smoothing {head['label_smoothing']:g}"
        + (f", {head['mode']} of the votes)" if head["labels"].startswith("ferplus") else ")")
        for head in recipe["heads"]
    )
    changes = ", ".join(
        name if value is True else f"{name} {value:g}"
        for name, value in augment.items()
        if _is_on(value)
    )
    end = "The number of epochs was fixed beforehand"
    if train.get("stop_patience"):
        end = f"At most {train['epochs']} epochs, until {train['stop_patience']} brought no gain on validation faces"
    return (
        f"Heads: {heads}. {optimizer['name'].upper()}, learning rate {optimizer['lr']:g}, weight decay "
        f"{optimizer['weight_decay']:g}, {recipe['schedule']['name']} schedule, batch {train['batch_size']}, average "
        f"of weights {train['ema']:g}. Augmentation: {changes or 'none'}. {end}; weights kept: {train['keep']}."
    )


def _origins(record: Any) -> str:
    """Say which weights a run began with, who taught it, and whether ImageNet's pictures are behind either."""
    init, distill = record["recipe"].get("init"), record["recipe"].get("distill", {})
    has_imagenet = bool(record.get("imagenet"))
    is_torchvision = init == "imagenet" and has_imagenet  # a run may be called so, too
    told = ""
    if is_torchvision:
        told = "Begun with torchvision's weights from ImageNet. "
    elif init:
        told = f"Begun with the weights of the run {init}. "
    if distill.get("teacher"):
        told += (
            f"Taught by {distill['teacher']} (temperature {distill['temperature']:g}, weight "
            f"{distill['weight']:g}). "
        )
    if has_imagenet and not is_torchvision:
        told += "Before that, ImageNet's pictures were learned from. "
    return told


def _is_on(value: Any) -> bool:
    return isinstance(value, (int, float)) and bool(value)


def _figures(facts: CardFacts) -> Iterator[str]:
    yield from ("", f"### {facts.info.name}")
    if not facts.rows:
        yield from ("", "From the model file's own record; no further rows were given.", "")
        yield from tables.recorded_scores_table(facts.info.scores)
    else:
        yield from ("", *tables.scores_table(facts.rows))
        yield from ("", "**Calibration**, before and after temperature scaling:", "")
        yield from tables.calibration_table(facts.rows)
    if facts.info.scores:
        is_public = all("-publictest" in protocol for protocol in facts.info.scores)
        where = "PublicTest" if is_public else "these validation faces"
        yield from (
            "",
            f"**Unsure**: answers below a confidence that was chosen on {where}; from the file's record of when it was chosen:",
            "",
        )
        yield from tables.unsure_table(facts.info.scores)
    for protocol in facts.protocols:
        if (row := facts.plain(protocol)) is not None:
            yield from (
                "",
                f"**Classes** on `{protocol}`, no views:",
                "",
                *tables.classes_table(row),
            )
            yield from ("", "Counts:", "", *tables.confusion_table(row))
            yield from ("", f"**Slices** of `{protocol}`:", "", *tables.slices_table(row))
    yield from _balanced(facts)
    yield from _corruptions(facts)


def _balanced(facts: CardFacts) -> Iterator[str]:
    pairs = [
        (plain, row)
        for row in facts.balanced
        if row["views"] == "none" and (plain := facts.plain(row["protocol"])) is not None
    ]
    if not pairs:
        yield from ("", "**Balanced mode**, `--prior uniform`: not measured for this file.")
        return
    yield from ("", "**Balanced mode**, `--prior uniform`:", "")
    yield "Calibrated probabilities are divided by how frequent each expression was in training (logit adjustment, Menon"
    yield "et al. 2021, <https://arxiv.org/abs/2007.07314>). Rare expressions are found more often, at the price of more"
    yield "false alarms: watch the precision."
    for plain, row in pairs:
        yield from ("", *tables.balanced_table(plain, row))


def _corruptions(facts: CardFacts) -> Iterator[str]:
    if not facts.robustness:
        return
    yield from (
        "",
        "**Worse pictures** of the same faces (`mien robustness`); accuracy in %, drop in points:",
        "",
    )
    if facts.before:
        file = facts.before[0]["model"]
        yield (
            f"*Model before* is an earlier file under this name (SHA-256 `{file['sha256'][:12]}…`, {file['bytes'] / 1e6:.1f} MB); "
            "docs/lab_notebook.md has what was changed since, pictures made worse in training among it."
        )
        yield ""
    for place, row in enumerate(facts.robustness):
        before = (old for old in facts.before if old["protocol"] == row["protocol"])
        yield from (*([""] if place else []), *tables.corruption_table(row, next(before, None)))


def _weak_points(facts: CardFacts) -> Iterator[str]:
    """Yield what the figures themselves say is weakest."""
    name = facts.info.name
    for protocol in facts.protocols:
        if (row := facts.plain(protocol)) is None:
            continue
        classes = [(label, one) for label, one in row["scores"]["classes"].items() if one["n"]]
        classes.sort(key=lambda item: item[1]["recall"])
        shown = ", ".join(
            f"{label} {percent(one['recall'])} % (n {one['n']:,})" for label, one in classes[:3]
        )
        yield f"- **{name}** finds least often, on `{protocol}`: {shown}. {_confused(row)}"
    if facts.robustness:
        middle = (
            (one, row["protocol"])
            for row in facts.robustness
            for one in row["corruptions"]
            if one["level"] == MIDDLE
        )
        worst, protocol = max(middle, key=lambda found: found[0]["drop"]["value"])
        lost = 100 * worst["drop"]["value"]
        yield f"- **{name}** loses most from: {worst['what']}, {lost:.1f} points on `{protocol}`."


def _confused(row: Any) -> str:
    labels = list(row["scores"]["classes"])
    count, true, answered = max(
        (count, labels[i], labels[j])
        for i, counts in enumerate(row["scores"]["confusion"])
        for j, count in enumerate(counts)
        if i != j
    )
    return f"Its commonest mistake: {true} called {answered}, {count:,} times."


def _costs(models: Sequence[CardFacts]) -> Iterator[str]:
    yield from (
        "",
        "## Cost",
        "",
        "| model | training | machine | energy | CO2 |",
        "|---|--:|---|--:|--:|",
    )
    for facts in models:
        spent = cost(facts.info)
        if spent is None:
            yield f"| {facts.info.name} | not recorded | – | – | – |"
            continue
        machine = f"{spent.cores} cores" + (f", {spent.gpu}" if spent.gpu else "")
        energy = f"{_two_digits(spent.kwh)} kWh | {_two_digits(1000 * spent.kg_co2)} g"
        yield f"| {facts.info.name} | {_two_digits(60 * spent.hours)} min | {machine} | {energy} |"
    yield ""
    yield "Time is from the run's record, of the run that ships alone: runs that it began with, trials, teachers and scoring come on top. Energy and CO2 are"
    yield f"estimates, not measurements: {WATTS_A_CORE:g} W a core and {WATTS_A_GPU:g} W a GPU at full load throughout, {OVERHEAD:g} times that for"
    yield f"cooling and supply, {KG_A_KWH:g} kg a kWh (the world's mean of 2023, Ember's Global Electricity Review 2024)."


def _millions(number: int | None) -> str:
    return "unknown" if number is None else f"{number / 1e6:.1f} M"


def _two_digits(number: float) -> str:
    return f"{float(f'{number:.2g}'):,g}"
