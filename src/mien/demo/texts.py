"""Every sentence of the page, in English and Korean. The names of expressions are in `mien.labels`."""

from __future__ import annotations

from mien.errors import UnknownNameError
from mien.labels import LANGUAGES

__all__ = ["TEXTS", "language_of", "say"]

TEXTS: dict[str, tuple[str, str]] = {
    # the page
    "tagline": (
        "What a model sees in a face, and how sure it is.",
        "모델이 얼굴에서 어떤 표정을 읽는지, 얼마나 확신하는지 보여 줍니다.",
    ),
    "privacy": (
        "Everything happens on this computer and nothing is sent anywhere. Camera frames of the tab Live are never "
        "written to disk. Uploads and results lie in a temporary folder, are deleted after {minutes} minutes, and all "
        "of them when the program ends.",
        "모든 처리는 이 컴퓨터 안에서 이루어지며 어디로도 전송되지 않습니다. “실시간” 탭의 카메라 화면은 디스크에 저장되지 "
        "않습니다. 올린 파일과 결과는 임시 폴더에 있다가 {minutes}분이 지나면 지워지고, 프로그램을 끝내면 모두 지워집니다.",
    ),
    "caution": (
        "An expression is what a face shows; what someone feels, no picture shows.",
        "표정은 얼굴에 드러난 모습일 뿐, 그 사람이 무엇을 느끼는지는 어떤 사진에도 나타나지 않습니다.",
    ),
    "language": ("Language", "언어"),
    "reader": ("Model and labels", "모델과 레이블"),
    "reader.choice": (
        "{model} · {labels}, {count} expressions",
        "{model} · {labels}, 표정 {count}가지",
    ),
    # a face
    "face": ("Face {number}", "얼굴 {number}"),
    "face.unsure": (
        "most likely {expression}, {percent}",
        "가장 가까운 표정은 {expression}, {percent}",
    ),
    "flag.small": ("small", "작음"),
    "flag.blurred": ("blurred", "흐림"),
    "flag.dark": ("dark", "어두움"),
    "flags": ("Hard to see, so trust it less:", "잘 보이지 않아 덜 믿을 만합니다:"),
    "faces.one": ("One face, found by {detector}.", "얼굴 1개를 찾았습니다 ({detector})."),
    "faces.many": (
        "{count} faces, found by {detector}.",
        "얼굴 {count}개를 찾았습니다 ({detector}).",
    ),
    "faces.none": (
        "No face was found. Try a picture in which a face looks at the camera, upright and not too small.",
        "얼굴을 찾지 못했습니다. 얼굴이 정면을 보고, 기울지 않고, 너무 작지 않은 사진으로 다시 해 보세요.",
    ),
    # refused uploads
    "refused.picture": (
        "This is no picture that can be read. Expected: JPEG, PNG, WebP, BMP, TIFF or GIF.",
        "읽을 수 있는 사진이 아닙니다. JPEG, PNG, WebP, BMP, TIFF, GIF 파일을 올려 주세요.",
    ),
    "refused.large": (
        "This picture is too large: at most {megapixels} megapixels and {mebibytes} MiB are read. Make it smaller.",
        "사진이 너무 큽니다. {megapixels}메가픽셀, {mebibytes} MiB까지만 읽습니다. 크기를 줄여 주세요.",
    ),
    "refused.recording": (
        "This is no recording that can be decoded. Expected: MP4, MOV, AVI, MKV or WebM.",
        "읽을 수 있는 동영상이 아닙니다. MP4, MOV, AVI, MKV, WebM 파일을 올려 주세요.",
    ),
    # photo
    "photo.tab": ("Photo", "사진"),
    "photo.input": ("Your picture", "사진 올리기"),
    "photo.drop": (
        "Drop a picture here\nor click to choose one",
        "여기에 사진을 끌어다 놓거나\n눌러서 고르세요",
    ),
    "photo.output": ("What was found", "찾은 얼굴"),
    "photo.examples": ("Examples", "예시"),
    "photo.empty": (
        "Upload a picture, take one with the webcam, or click an example.",
        "사진을 올리거나, 웹캠으로 찍거나, 예시를 눌러 보세요.",
    ),
    # live
    "live.tab": ("Live", "실시간"),
    "live.camera": ("Camera", "카메라"),
    "live.empty": (
        "Click on the camera, let the browser use it, and press Start. Each face gets a number and its own bars.",
        "카메라를 눌러 브라우저에서 사용을 허용한 다음 시작을 누르세요. 얼굴마다 번호와 막대가 따로 나옵니다.",
    ),
    "live.allow": ("Click to use the camera", "눌러서 카메라 켜기"),
    "live.record": ("Start", "시작"),
    "live.stop": ("Stop", "멈추기"),
    "live.waiting": ("One moment …", "잠시만요 …"),
    "live.none": ("No face in the picture.", "화면에 얼굴이 없습니다."),
    "live.picture": ("The camera's picture with framed faces", "얼굴에 테두리를 그린 카메라 화면"),
    "live.chart": ("The last {seconds} seconds", "지난 {seconds}초"),
    "live.ago": ("{seconds} s ago", "{seconds}초 전"),
    "live.now": ("now", "지금"),
    # video
    "video.tab": ("Video", "동영상"),
    "video.input": ("Your recording", "동영상 올리기"),
    "video.rate": ("Look at", "분석할 장면"),
    "video.all": ("every frame", "모든 장면"),
    "video.some": ("{count} frames a second", "1초에 {count}장면"),
    "video.start": ("Read the expressions", "표정 읽기"),
    "video.stop": ("Stop", "멈추기"),
    "video.empty": (
        "Upload a recording and press the button. A timeline grows here; then a table and an annotated recording can "
        "be downloaded.",
        "동영상을 올리고 단추를 누르세요. 여기에 시간표가 그려지고, 끝나면 표와 표정을 그려 넣은 동영상을 내려받을 수 있습니다.",
    ),
    "video.missing": ("Upload a recording first.", "먼저 동영상을 올려 주세요."),
    "video.going": ("{time} s so far, {percent}", "{time}초까지 읽음, {percent}"),
    "video.done": (
        "{frames} frames, {empty} of them without a face.",
        "장면 {frames}개 가운데 얼굴이 없는 장면은 {empty}개입니다.",
    ),
    "video.broke_off": (
        "The recording breaks off at {time} s: it is damaged or cut off there. Everything up to there counts.",
        "동영상이 {time}초에서 끊깁니다. 그 뒤는 손상되었거나 잘렸습니다. 그 앞까지는 모두 유효합니다.",
    ),
    "video.unshown": (
        "This browser cannot play the file here. If it is a recording, its expressions can be read all the same.",
        "이 브라우저에서는 재생할 수 없는 파일입니다. 동영상이라면 표정은 그대로 읽을 수 있습니다.",
    ),
    "video.stopped": (
        "Stopped at {time} s. What was read up to there can be downloaded.",
        "{time}초에서 멈췄습니다. 그때까지 읽은 결과를 내려받을 수 있습니다.",
    ),
    "video.unwritten": (
        "The results cannot be written on this computer. Is its disk full?",
        "결과를 이 컴퓨터에 쓸 수 없습니다. 디스크가 가득 찼는지 확인해 주세요.",
    ),
    "video.csv": ("Table (CSV)", "표 (CSV)"),
    "video.film": ("Annotated recording (MP4)", "표정을 그려 넣은 동영상 (MP4)"),
    "video.chart": ("Timeline (PNG)", "시간표 (PNG)"),
    "timeline.none": ("No face in the recording so far.", "지금까지 동영상에 얼굴이 없습니다."),
    "timeline.seconds": ("{seconds} s", "{seconds}초"),
    "timeline.more": (
        "The {shown} faces seen longest, of {all}; the table has all of them.",
        "얼굴 {all}개 가운데 가장 오래 보인 {shown}개입니다. 표에는 모두 있습니다.",
    ),
    # compare
    "compare.tab": ("Compare", "비교"),
    "compare.left": ("Left", "왼쪽"),
    "compare.right": ("Right", "오른쪽"),
    "compare.empty": (
        "One picture, two models or two sets of labels: upload a picture or click an example.",
        "사진 한 장을 두 모델로, 또는 두 가지 레이블로 읽습니다. 사진을 올리거나 예시를 눌러 보세요.",
    ),
    # leaderboard
    "board.tab": ("Leaderboard", "성능표"),
    "board.about": (
        "Scores of finished evaluations, read from {folder}. In brackets: 95 % intervals. How they are made: "
        "docs/protocol.md.",
        "{folder}에 있는 평가 결과입니다. 괄호 안은 95 % 신뢰 구간입니다. 평가 방법은 docs/protocol.md에 있습니다.",
    ),
    "board.missing": (
        "There is no folder with results at hand ({folder}). Name one: mien demo --results FOLDER. "
        "Its rows come from: mien evaluate MODEL --json FOLDER/name.json",
        "결과 폴더가 없습니다 ({folder}). mien demo --results 폴더 로 지정하세요. "
        "결과는 mien evaluate MODEL --json 폴더/name.json 으로 만듭니다.",
    ),
    "board.empty": (
        "No result has been recorded in {folder} yet. Make one: mien evaluate MODEL --json {folder}/name.json",
        "{folder}에 아직 결과가 없습니다. mien evaluate MODEL --json {folder}/name.json 으로 만드세요.",
    ),
    "board.damaged": (
        "The results cannot be shown: {reason}",
        "결과를 보여 줄 수 없습니다: {reason}",
    ),
    # columns of the table that mien.evaluation.leaderboard writes
    "column.protocol": ("protocol", "평가 방법"),
    "column.model": ("model", "모델"),
    "column.file": ("file", "파일"),
    "column.n": ("n", "장수"),
    "column.views": ("views", "보기"),
    "column.accuracy (95 %)": ("accuracy (95 %)", "정확도 (95 %)"),
    "column.without copies": ("without copies", "중복 제외"),
    "column.macro-F1": ("macro-F1", "매크로 F1"),
    "column.ECE-15 %": ("ECE-15 %", "ECE-15 %"),
}
"""Key -> English, Korean: the order of `labels.LANGUAGES`."""


def say(key: str, lang: str, **values: object) -> str:
    """Return a sentence in a language, with its blanks filled in.

    Raises:
        UnknownNameError: If there is no such sentence or language.
    """
    if key not in TEXTS:
        raise UnknownNameError("sentence", key, TEXTS, "mien.demo.texts.TEXTS")
    if lang not in LANGUAGES:
        raise UnknownNameError("language", lang, LANGUAGES, "mien demo --help")
    return TEXTS[key][LANGUAGES.index(lang)].format(**values)


def language_of(accepted: str | None) -> str:
    """Return which of our languages a browser's ``Accept-Language`` puts first; English where it names none."""
    wanted: list[tuple[float, str]] = []
    for part in (accepted or "").split(","):
        tag, _, weight = part.partition(";q=")
        lang = tag.strip().lower().partition("-")[0]
        try:
            rank = float(weight) if weight else 1.0
        except ValueError:
            continue
        if lang in LANGUAGES:
            wanted.append((rank, lang))
    return max(wanted, key=lambda one: one[0], default=(0.0, LANGUAGES[0]))[1]
