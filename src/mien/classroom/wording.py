"""What pages and reports say, in English and Korean."""

from __future__ import annotations

__all__ = ["CAVEATS", "WORDS", "caveats", "words"]

CAVEATS = {
    "en": (
        "These are signals of what cameras saw, not diagnoses: they do not say what anybody felt, understood or meant.",
        "Boredom cannot be told from a neutral face. The best published systems for engagement are right in 63 to 73 of "
        "100 cases, and human raters agree only moderately (kappa 0.56).",
        "Each student is compared with their own usual expression only, never with others.",
        "Shares are rounded, late by half a minute, and withheld where fewer than five students can be counted together.",
        "No data is a result of its own: it is never filled in. What students tapped is the only thing that they said.",
    ),
    "ko": (
        "이것은 카메라에 보인 신호일 뿐 진단이 아닙니다. 누가 무엇을 느끼고 이해하고 의도했는지는 말해 주지 않습니다.",
        "지루함은 무표정과 구별할 수 없습니다. 공개된 가장 좋은 몰입도 시스템의 정확도는 63–73 %이며, "
        "사람 평가자끼리도 보통 수준으로만 일치합니다(카파 0.56).",
        "각 학생은 자신의 평소 표정하고만 비교되며, 다른 학생과는 비교되지 않습니다.",
        "비율은 반올림되고 30초 늦게 표시되며, 함께 셀 수 있는 학생이 다섯 명보다 적으면 표시되지 않습니다.",
        "자료 없음도 하나의 결과이며 채워 넣지 않습니다. 학생이 누른 응답만이 학생이 직접 말한 것입니다.",
    ),
}

_OF_PRESENCE_TOO = (0, 3, 4)
"""Places of the caveats that hold where no expression is read."""

WORDS: dict[str, tuple[str, str]] = {
    # states
    "away": ("away", "자리 비움"),
    "turned": ("turned aside", "고개 돌림"),
    "strained": ("strained ↑", "긴장 ↑"),
    "positive": ("positive ↑", "긍정 ↑"),
    "surprised": ("surprised ↑", "놀람 ↑"),
    "steady": ("steady", "평소와 같음"),
    "present": ("present", "있음"),
    "no_data": ("no data", "자료 없음"),
    "means_away": ("No face is in the picture.", "화면에 얼굴이 없습니다."),
    "means_turned": ("Your head is turned from where it usually is.", "고개가 평소와 다른 쪽을 향해 있습니다."),
    "means_strained": (
        "The computer sees more tension than is usual for you. It may be wrong.",
        "컴퓨터가 평소의 나보다 더 긴장된 표정으로 보고 있습니다. 틀릴 수 있습니다.",
    ),
    "means_positive": (
        "The computer sees more of a smile than is usual for you. It may be wrong.",
        "컴퓨터가 평소의 나보다 더 웃는 표정으로 보고 있습니다. 틀릴 수 있습니다.",
    ),
    "means_surprised": (
        "The computer sees more surprise than is usual for you. It may be wrong.",
        "컴퓨터가 평소의 나보다 더 놀란 표정으로 보고 있습니다. 틀릴 수 있습니다.",
    ),
    "means_steady": ("You look as you usually do.", "평소와 같은 모습입니다."),
    "means_present": ("A face is in the picture. Nothing else is asked.", "화면에 얼굴이 있습니다. 그 밖의 것은 보지 않습니다."),
    "means_no_data": ("Nothing can be said right now.", "지금은 아무것도 말할 수 없습니다."),
    "means_no_camera": ("No camera, no signal: nothing is said of you.", "카메라가 없으면 신호도 없습니다. 나에 대해 아무것도 표시되지 않습니다."),
    # why there is no data
    "why_no_face": ("Mostly no face in the picture.", "화면에 얼굴이 거의 보이지 않습니다."),
    "why_several_faces": ("More than one face: the others have not agreed.", "얼굴이 여럿입니다. 다른 사람은 동의하지 않았습니다."),
    "why_small": ("The face is too small; come a little closer.", "얼굴이 너무 작습니다. 조금 더 가까이 오세요."),
    "why_blurred": ("The picture is blurred.", "사진이 흐립니다."),
    "why_unmeasured": ("The expression was not measured.", "표정이 측정되지 않았습니다."),
    "why_uncertain": ("The computer cannot tell.", "컴퓨터가 구별하지 못합니다."),
    "why_few_frames": ("Too few pictures arrived.", "도착한 사진이 너무 적습니다."),
    "why_baseline": (
        "For about two minutes the computer learns how you usually look.",
        "약 2분 동안 평소 모습을 익히고 있습니다.",
    ),
    # answers
    "lost": ("I am lost", "모르겠어요"),
    "ok": ("OK", "괜찮아요"),
    "too_fast": ("too fast", "너무 빨라요"),
    # every page
    "title": ("Live class", "실시간 수업"),
    "skip": ("Skip to the content", "본문으로 건너뛰기"),
    "language": ("한국어", "English"),
    "mode": ("Mode", "모드"),
    "mode_presence": ("presence", "출석"),
    "mode_self-view": ("self-view", "나만 보기"),
    "mode_class": ("class", "학급"),
    "mode_research": ("research", "연구"),
    "about_presence": (
        "Nothing about expressions is recognised here: the computer only sees whether a face is there.",
        "여기서는 표정을 인식하지 않습니다. 컴퓨터는 얼굴이 있는지 없는지만 봅니다.",
    ),
    "chosen_presence": ("The school has chosen so; no expression model is opened.", "학교가 이렇게 정했으며 표정 모델을 열지 않습니다."),
    "about_self-view": (
        "Expressions are read for each student's own eyes only; the teacher sees none of it, not even in sum.",
        "표정 신호는 학생 본인만 볼 수 있으며, 교사는 합계도 볼 수 없습니다.",
    ),
    "about_class": (
        "The teacher sees the class as a whole, from five students on, and nobody singly.",
        "교사는 다섯 명 이상일 때 학급 전체만 볼 수 있으며, 학생 개인은 볼 수 없습니다.",
    ),
    "about_research": (
        "As in class; numbers of students who agree to it are also exported for research, without names.",
        "학급 모드와 같습니다. 동의한 학생의 수치는 이름 없이 연구용으로도 내보냅니다.",
    ),
    "cancel": ("Cancel", "취소"),
    "connecting": ("Connecting again …", "다시 연결하는 중 …"),
    # joining
    "join": ("Join a lesson", "수업 참여"),
    "join_lead": ("Your teacher has given you a code. You need no name and no account.", "선생님이 알려 준 코드를 입력하세요. 이름도 계정도 필요 없습니다."),
    "code": ("Code of the lesson", "수업 코드"),
    "how_join": ("How do you want to take part?", "어떻게 참여할까요?"),
    "camera_none": ("Without camera", "카메라 없이"),
    "camera_none_lead": (
        "You take part all the same, and answer by tapping. Nobody can tell from the figures who chose this.",
        "똑같이 수업에 참여하고 버튼으로 응답합니다. 누가 이렇게 선택했는지 수치에는 나타나지 않습니다.",
    ),
    "camera_frames": ("With camera", "카메라로"),
    "camera_frames_lead": (
        "Small pictures are looked at by a computer, never by a person, and forgotten at once.",
        "작은 사진을 사람이 아니라 컴퓨터가 보고 곧바로 잊습니다.",
    ),
    "what_happens": ("What happens with a camera", "카메라를 켜면 일어나는 일"),
    "sent_what": (
        "Sent: one or two small pictures a second (320 × 240), to the server of your school. No sound.",
        "보내는 것: 1초에 한두 장의 작은 사진(320 × 240). 학교 서버로 보냅니다. 소리는 보내지 않습니다.",
    ),
    "sent_looked": (
        "Looked at: the square around your face, which you see all the time, for how strained, positive or surprised it looks beside your own usual.",
        "보는 것: 내 화면에 늘 표시되는 얼굴 주위의 사각형. 평소의 나와 비교해 긴장, 긍정, 놀람이 더 보이는지를 봅니다.",
    ),
    "sent_looked_presence": (
        "Looked at: whether a face is there, and nothing of it. No expression is read.",
        "보는 것: 얼굴이 있는지 여부뿐입니다. 표정은 읽지 않습니다.",
    ),
    "sent_kept": (
        "Kept: no picture, not for a moment longer than looking takes. A few numbers, under a random id, for {hours} hours at most.",
        "저장하는 것: 사진은 저장하지 않으며 보는 동안만 메모리에 있습니다. 임의의 번호로 된 몇 가지 수치만 최대 {hours}시간 보관합니다.",
    ),
    "sent_shown": (
        "Shown: your own state to you alone; to your teacher only shares of the whole class, from five students on.",
        "보이는 것: 나의 상태는 나에게만, 선생님에게는 다섯 명 이상일 때 학급 전체의 비율만 보입니다.",
    ),
    "sent_seats": (
        "Counted are seats that your teacher has let in, not people: a teacher who fills some with phones could see a single student. The program cannot tell.",
        "세는 것은 사람이 아니라 선생님이 입장시킨 자리입니다. 선생님이 휴대전화로 자리를 채우면 학생 한 명이 드러날 수 있으며, 프로그램은 이를 구별하지 못합니다.",
    ),
    "sent_shown_self-view": ("Shown: your own state to you alone. Your teacher sees none of it.", "보이는 것: 나의 상태는 나에게만 보입니다. 선생님은 볼 수 없습니다."),
    "sent_shown_presence": (
        "Shown: to your teacher how many are there and how many away, from five students on. Never who.",
        "보이는 것: 다섯 명 이상일 때 몇 명이 있고 몇 명이 비웠는지만 선생님에게 보입니다. 누구인지는 보이지 않습니다.",
    ),
    "sent_stop": (
        "You can stop at any time, without a reason, and delete everything with one button.",
        "언제든지 이유 없이 멈출 수 있고, 버튼 하나로 모두 삭제할 수 있습니다.",
    ),
    "consent": (
        "I have read this and agree to it for this lesson.",
        "위 내용을 읽었으며 이 수업에 한해 동의합니다.",
    ),
    "research": (
        "I also agree that my numbers, without my name, are exported for research. Nothing depends on it. What has been exported before I delete cannot be taken back.",
        "이름 없는 나의 수치를 연구용으로 내보내는 것에도 동의합니다. 동의하지 않아도 불이익이 없습니다. 삭제하기 전에 이미 내보낸 수치는 되돌릴 수 없습니다.",
    ),
    "research_switch": (
        "My numbers, without my name, may be exported for research. You can take this back at any time; stopping the camera does so too. What has been exported before cannot be taken back.",
        "이름 없는 나의 수치를 연구용으로 내보내도 됩니다. 언제든지 취소할 수 있으며 카메라를 꺼도 취소됩니다. 이미 내보낸 수치는 되돌릴 수 없습니다.",
    ),
    "join_button": ("Join", "참여하기"),
    "waiting": ("You are in the waiting room", "대기실에 있습니다"),
    "waiting_lead": (
        "Tell your teacher this tag, so that you are let in. Nothing is sent before that.",
        "선생님께 이 표식을 알려 주면 입장할 수 있습니다. 그 전에는 아무것도 보내지 않습니다.",
    ),
    "tag": ("Your tag", "나의 표식"),
    # a student in the lesson
    "how": ("How is it going?", "수업이 어떤가요?"),
    "how_lead": ("One tap, as often as you like. Your teacher sees only how many tapped what.", "한 번만 누르면 됩니다. 몇 번이든 좋습니다. 선생님은 몇 명이 무엇을 눌렀는지만 봅니다."),
    "tapped": ("Thank you, that is noted.", "응답이 기록되었습니다."),
    "own_state": ("What the signals say of you", "나에 대한 신호"),
    "own_only": ("Only you see this. It says how a face looks to a computer, not how you feel.", "이 내용은 나만 볼 수 있습니다. 컴퓨터에 보이는 얼굴일 뿐, 내 기분이 아닙니다."),
    "own_only_presence": ("Only you see this. No expression is read.", "이 내용은 나만 볼 수 있습니다. 표정은 읽지 않습니다."),
    "camera_title": ("Your camera", "내 카메라"),
    "on_air": ("On air: pictures are sent", "송출 중: 사진을 보내고 있습니다"),
    "off_air": ("Off: nothing is sent", "꺼짐: 아무것도 보내지 않습니다"),
    "paused_air": ("Paused: the camera gives no picture, nothing is sent", "일시 중지: 카메라에서 영상이 오지 않아 아무것도 보내지 않습니다"),
    "sent": ("The picture that was sent last", "마지막으로 보낸 사진"),
    "crop": ("Exactly what is looked at", "실제로 보는 부분"),
    "crop_none": ("Nothing was looked at: there is no single face.", "얼굴이 하나가 아니어서 아무것도 보지 않았습니다."),
    "crop_empty": ("Nothing yet.", "아직 없습니다."),
    "stop": ("Stop the camera", "카메라 끄기"),
    "start": ("Turn the camera on", "카메라 켜기"),
    "start_title": ("Turn the camera on?", "카메라를 켤까요?"),
    "agree_start": ("I agree, turn it on", "동의하고 켜기"),
    "camera_refused": (
        "The camera cannot be used: it was not allowed, or something else uses it. You go on without.",
        "카메라를 사용할 수 없습니다. 허용되지 않았거나 다른 프로그램이 쓰고 있습니다. 카메라 없이 계속합니다.",
    ),
    "camera_ended": (
        "The camera is gone: it was unplugged, or it is no longer allowed. You go on without.",
        "카메라가 끊어졌습니다. 연결이 빠졌거나 허용이 취소되었습니다. 카메라 없이 계속합니다.",
    ),
    "your_data": ("Your data", "내 자료"),
    "your_data_lead": ("Whatever is kept of you in this lesson, you can take with you or delete.", "이 수업에서 보관되는 내 자료는 모두 내려받거나 삭제할 수 있습니다."),
    "receipt": ("Your receipt", "나의 확인 번호"),
    "receipt_lead": (
        "Write it down: with it you can see and delete what is kept of you on the page “Your data”, after the lesson too and when this page is closed.",
        "적어 두세요. 수업이 끝난 뒤나 이 페이지를 닫은 뒤에도 “내 자료” 페이지에서 보관된 내 자료를 보고 삭제할 수 있습니다.",
    ),
    "until": ("You can do so until {time}; then it is deleted by itself.", "{time}까지 할 수 있으며, 그 뒤에는 자동으로 삭제됩니다."),
    "mine_lead": (
        "Type the receipt that you were given when you joined. Without it nobody can tell which rows are yours: no name is kept.",
        "참여할 때 받은 확인 번호를 입력하세요. 이름을 저장하지 않으므로 확인 번호 없이는 어느 자료가 내 것인지 아무도 알 수 없습니다.",
    ),
    "show": ("Show", "보기"),
    "joined": ("Joined", "참여한 때"),
    "kept_windows": ("Numbers, one line every five seconds", "수치(5초마다 한 줄)"),
    "kept_taps": ("Answers that you tapped", "내가 누른 응답"),
    "kept_until": ("Deleted by itself, at the latest", "자동으로 삭제되는 때(늦어도)"),
    "sums_stay": ("Sums over five and more students that were already shown stay. They are about nobody alone.", "이미 보인 다섯 명 이상의 합계는 남습니다. 합계는 한 사람에 관한 것이 아닙니다."),
    "delete_data": ("Delete all my data", "내 자료 모두 삭제"),
    "deleted": ("Everything of you in this lesson is deleted.", "이 수업의 내 자료가 모두 삭제되었습니다."),
    "take_data": ("Download what is kept of me", "내 자료 내려받기"),
    "withdraw": ("Leave and delete all my data", "나가고 내 자료 모두 삭제"),
    "withdraw_title": ("Delete everything?", "모두 삭제할까요?"),
    "withdraw_lead": (
        "Everything that is kept of you in this lesson is deleted at once, and you leave it if it still runs. It cannot be brought back. You need give no reason.",
        "이 수업에 보관된 내 자료가 곧바로 모두 삭제되며, 수업이 진행 중이면 나가게 됩니다. 되돌릴 수 없으며 이유는 필요 없습니다.",
    ),
    "withdraw_yes": ("Yes, delete everything", "네, 모두 삭제"),
    "withdrawn": ("You have left. Everything of you is deleted.", "나갔습니다. 모든 자료가 삭제되었습니다."),
    "withdrawn_later": (
        "You have left. The memory has forgotten you; your rows go as soon as the store answers again.",
        "나갔습니다. 메모리에서는 지워졌으며, 저장소가 다시 응답하는 대로 기록도 삭제됩니다.",
    ),
    "sent_away": ("The teacher has not let you in. Nothing of you is kept.", "선생님이 입장을 허락하지 않았습니다. 보관되는 자료는 없습니다."),
    "ended": ("The lesson has ended.", "수업이 끝났습니다."),
    "elsewhere": ("This lesson was opened in another window.", "다른 창에서 이 수업을 열었습니다."),
    "expired": ("You were away for too long. Join again with the code.", "너무 오래 자리를 비웠습니다. 코드로 다시 참여하세요."),
    # teachers
    "teach": ("For teachers", "교사용"),
    "teach_lead": ("Sign in with the key that the school has given you.", "학교에서 받은 교사 키로 로그인하세요."),
    "key": ("Your key", "교사 키"),
    "sign_in": ("Sign in", "로그인"),
    "sign_out": ("Sign out", "로그아웃"),
    "new_lesson": ("A new lesson", "새 수업"),
    "lesson_title": ("Title of the lesson", "수업 제목"),
    "open": ("Open a lesson", "수업 열기"),
    "your_lessons": ("Your lessons", "내 수업"),
    "no_lessons": ("There are none yet.", "아직 없습니다."),
    "running": ("running", "진행 중"),
    "go_on": ("Go on", "계속하기"),
    "back": ("All lessons", "모든 수업"),
    "join_at": ("Students open {address} and type", "학생은 {address} 에서 입력"),
    "waiting_room": ("Waiting room", "대기실"),
    "nobody_waits": ("Nobody waits.", "기다리는 학생이 없습니다."),
    "admit_all": ("Let all in", "모두 입장"),
    "admit": ("Let in", "입장"),
    "refuse": ("Send away", "거절"),
    "count_in": ("in the lesson", "수업 중"),
    "count_in_of": ("of {n} who were let in are connected", "입장한 {n}명 중 연결됨"),
    "count_valid": ("gave data", "자료를 준 학생"),
    "count_valid_of": ("of {n} counted together", "함께 집계되는 {n}명 중"),
    "count_waiting": ("{n} with a camera cannot be counted now", "카메라로 참여한 {n}명은 지금 집계할 수 없음"),
    "count_nobody": ("nobody has a camera on", "카메라로 참여한 학생 없음"),
    "count_trouble": ("lost or too fast", "모르겠어요·너무 빨라요"),
    "count_trouble_of": ("tapped so in the last counted minute", "마지막으로 집계된 1분 동안"),
    "class": ("The class", "학급"),
    "class_now": ("The class, half a minute ago", "30초 전의 학급"),
    "chart_hint": ("Shares of the class in steps of ten, by the minute of the lesson. Arrow keys read single times.", "학급의 비율(10 % 단위)을 수업 시간에 따라 보여 줍니다. 화살표 키로 시점별 값을 읽을 수 있습니다."),
    "chart_empty": ("The line begins when there is something to show.", "표시할 것이 생기면 선이 시작됩니다."),
    "chart_table": ("As a table", "표로 보기"),
    "not_shown": ("not shown", "표시 안 함"),
    "why_none": (
        "Nothing is shown while fewer than five students can be counted together and give data: otherwise shares would be about single people. Newcomers wait until five of them can be added at once.",
        "함께 셀 수 있고 자료를 준 학생이 다섯 명보다 적으면 아무것도 표시하지 않습니다. 그렇지 않으면 비율이 개인을 드러내기 때문입니다. 새로 온 학생은 다섯 명이 모이면 함께 더해집니다.",
    ),
    "why_self_view": (
        "In self-view nothing of the class is shown, on purpose: signals belong to the students. Answers that they tap are counted.",
        "나만 보기 모드에서는 학급 신호를 표시하지 않습니다. 신호는 학생 본인의 것입니다. 학생이 누른 응답만 집계합니다.",
    ),
    "answers": ("What students say", "학생의 응답"),
    "answers_lead": ("The only thing that students said themselves. Counted once a minute, from five students on.", "학생이 직접 말한 유일한 정보입니다. 다섯 명 이상일 때 1분마다 집계합니다."),
    "answers_none": ("Nothing counted yet.", "아직 집계되지 않았습니다."),
    "answers_of": ("minute {from} to {to}, {n} students", "{from}–{to}분, 학생 {n}명"),
    "moments": ("Moments", "순간"),
    "moments_lead": ("Times at which strained or away rose by 30 points or more for a minute. A reason to ask, not a verdict.", "긴장이나 자리 비움이 1분 동안 30점 이상 높아진 때입니다. 판단이 아니라 물어볼 계기입니다."),
    "moments_lead_presence": ("Times at which away rose by 30 points or more for a minute. A reason to ask, not a verdict.", "자리 비움이 1분 동안 30점 이상 높아진 때입니다. 판단이 아니라 물어볼 계기입니다."),
    "moments_none": ("None so far.", "아직 없습니다."),
    "moment_line": ("{state} rose from {before} to {peak} %", "{state}: {before} %에서 {peak} %로 높아짐"),
    "going_on": ("going on", "진행 중"),
    "store_away": (
        "Since {time} nothing can be stored. The lesson goes on; the report will show the gap.",
        "{time}부터 저장되지 않고 있습니다. 수업은 계속되며 보고서에 그 구간이 표시됩니다.",
    ),
    "store_full": (
        "Since {time} nothing can be stored: the server's disk is full. Tell whoever runs it. The lesson goes on; the report will show the gap.",
        "{time}부터 서버 디스크가 가득 차 저장되지 않고 있습니다. 서버 관리자에게 알리세요. 수업은 계속되며 보고서에 그 구간이 표시됩니다.",
    ),
    "end": ("End the lesson", "수업 끝내기"),
    "end_title": ("End the lesson?", "수업을 끝낼까요?"),
    "end_lead": ("Everybody is disconnected, and the report is made.", "모두 연결이 끊기고 보고서가 만들어집니다."),
    # reports
    "report": ("Report", "보고서"),
    "download": ("Download", "내려받기"),
    "export": ("Research export (CSV)", "연구용 내보내기(CSV)"),
    "export_lead": (
        "The export holds the numbers of those who agreed to it, without names, if they are five or more, and as long as they are kept: {hours} hours.",
        "내보내기에는 동의한 학생의 수치만 이름 없이 담기며, 다섯 명 이상일 때 보관되는 {hours}시간 동안만 가능합니다.",
    ),
    "delete_lesson": ("Delete the lesson", "수업 삭제"),
    "delete_title": ("Delete the lesson?", "수업을 삭제할까요?"),
    "delete_lead": (
        "The report and everything of the students are deleted and cannot be brought back. That somebody looked at it stays on record.",
        "보고서와 학생의 자료가 모두 삭제되며 되돌릴 수 없습니다. 누가 보았는지에 대한 기록은 남습니다.",
    ),
    "views": ("Who has looked at this lesson", "이 수업을 본 사람"),
    "did_watch": ("watched it live", "실시간으로 봄"),
    "did_report": ("read the report", "보고서를 봄"),
    "did_export": ("took the research export", "연구용 자료를 내보냄"),
    "did_delete": ("deleted the lesson", "수업을 삭제함"),
    "caveats": ("How to read this", "읽는 법"),
    "withheld": ("withheld: fewer than five can be counted", "표시 안 함: 다섯 명 미만"),
    "gaps": ("Gaps in what was kept", "저장되지 않은 구간"),
    "gap_rows": ("rows lost", "잃은 행"),
    "gap_locked": ("the store was locked", "저장소가 잠겨 있었음"),
    "gap_full": ("the disk was full", "디스크가 가득 찼음"),
    "gap_gone": ("the store did not answer", "저장소가 응답하지 않았음"),
    "gap_refused": ("the store refused rows", "저장소가 행을 거부했음"),
    "agreement": ("Answers and signals agree", "응답과 신호의 일치"),
    "mapping": ("Mapping", "매핑"),
    "rule": ("Why this mode", "이 모드인 이유"),
    "time": ("time", "시간"),
    "valid_counted_present": ("valid / counted / present", "유효 / 집계 / 참여"),
    # what is kept
    "privacy": ("What is kept, and who sees it", "무엇을 저장하고 누가 보는가"),
    "kept_what": ("What", "무엇을"),
    "kept_long": ("How long", "얼마나"),
    "kept_who": ("Who sees it", "누가 보는가"),
    "frames": ("Pictures", "사진"),
    "frames_long": ("in memory only, until they have been looked at: 1.5 seconds at most. No file, no log.", "메모리에만, 보는 동안 최대 1.5초. 파일이나 로그에 남지 않습니다."),
    "nobody": ("nobody; a computer looks", "아무도 보지 않음(컴퓨터만)"),
    "windows": ("Numbers of one student, every five seconds, and taps", "학생별 수치(5초마다)와 응답"),
    "hours": ("{n} hours at most", "최대 {n}시간"),
    "days": ("{n} days at most", "최대 {n}일"),
    "student_alone": ("the student", "학생 본인"),
    "aggregates": ("Numbers of the class, from five students on", "학급의 수치(다섯 명 이상)"),
    "own_teacher": ("the teacher of the lesson", "그 수업의 교사"),
    "audit": ("Who looked at a lesson, and when", "누가 언제 수업을 보았는지"),
    "exported": ("Numbers of students who agreed to research, under random numbers", "연구에 동의한 학생의 수치(임의의 번호로)"),
    "exported_long": ("as long as the researchers keep their export; ask them. Deleting here does not reach it.", "연구자가 내보낸 자료를 보관하는 동안. 연구자에게 문의하세요. 여기서 삭제해도 지워지지 않습니다."),
    "exported_who": ("the teacher of the lesson, and whoever gets the export", "그 수업의 교사와 내보낸 자료를 받는 사람"),
    "operator": ("Whoever runs this server could look into its store, where all of this but the pictures lies. The program shows it to nobody else, and sends nothing elsewhere.", "이 서버를 운영하는 사람은 사진을 제외한 위 자료가 담긴 저장소를 볼 수 있습니다. 프로그램은 그 밖의 누구에게도 보이지 않으며 다른 곳으로 보내지 않습니다."),
    "never": ("Never: names, addresses, faces, voices, anything that links two lessons of a student. Withdrawing deletes a student's rows at once.", "저장하지 않는 것: 이름, 주소, 얼굴, 목소리, 두 수업의 같은 학생을 잇는 정보. 나가기를 누르면 학생의 기록이 곧바로 삭제됩니다."),
    # refusals, by the server's short names
    "error_key": ("The key is wrong.", "교사 키가 맞지 않습니다."),
    "error_token": ("Your sign-in is over. Please begin again.", "로그인이 만료되었습니다. 다시 시작하세요."),
    "error_no_lesson": ("No lesson has this code. Check it with your teacher.", "이 코드의 수업이 없습니다. 선생님께 확인하세요."),
    "error_no_receipt": ("Nothing is kept under this receipt: it is mistyped, or all is deleted.", "이 확인 번호로 보관된 자료가 없습니다. 번호가 잘못되었거나 이미 모두 삭제되었습니다."),
    "error_full": ("The lesson has no seat left. Ask the teacher.", "수업에 남은 자리가 없습니다. 선생님께 문의하세요."),
    "error_ended": ("The lesson has ended.", "수업이 끝났습니다."),
    "error_no_consent": ("Only who sends pictures in a running lesson can agree to research.", "진행 중인 수업에서 사진을 보내는 학생만 연구에 동의할 수 있습니다."),
    "error_running": ("The lesson still runs. The export is there once it has ended.", "수업이 아직 진행 중입니다. 수업이 끝난 뒤에 내보낼 수 있습니다."),
    "error_few": ("Fewer than five students agreed to research and gave data, so nothing is exported.", "연구에 동의하고 자료를 준 학생이 다섯 명보다 적어 내보내지 않습니다."),
    "error_too_many": ("Too many tries. Wait a minute.", "시도가 너무 많습니다. 잠시 후 다시 하세요."),
    "error_store": ("Nothing can be stored right now. Try again in a moment.", "지금은 저장할 수 없습니다. 잠시 후 다시 하세요."),
    "error_invalid": ("That cannot be used. Check what you typed, or load the page again.", "사용할 수 없는 값입니다. 입력을 확인하거나 페이지를 다시 여세요."),
    "error_network": ("The server does not answer.", "서버가 응답하지 않습니다."),
}  # fmt: skip


def words(lang: str) -> dict[str, str]:
    """Return all words in one language, ``"en"`` or ``"ko"``."""
    place = ("en", "ko").index(lang)
    return {name: both[place] for name, both in WORDS.items()}


def caveats(lang: str, expressions: bool) -> tuple[str, ...]:
    """Return how signals are to be read, in one language; fewer where no expression is read."""
    every = CAVEATS[lang]
    return every if expressions else tuple(every[place] for place in _OF_PRESENCE_TOO)
