// What is kept of one student: shown, taken along, deleted; during the lesson and after it.
"use strict";

let token = sessionStorage.getItem("token"); // of the lesson in this tab, if there is one

async function tell(action) {
  explain(null);
  try {
    await action();
  } catch (error) {
    refused(error);
  }
}

// A token that is over is no mistake of anybody's: then the receipt is asked for, which this tab may know.
function refused(error) {
  explain(error);
  if (error.status === 401 && !byId("kept").hidden) {
    askForReceipt();
    byId("mine-title").focus(); // the button is gone
  }
}

function askForReceipt() {
  byId("come-back").elements.receipt.value = sessionStorage.getItem("receipt") || "";
  show("kept", false);
  show("come-back", true);
}

onSubmit("come-back", ({ receipt }) => tell(async () => {
  token = await tokenFor(receipt.value); // kept in this page only
  receipt.value = "";
  await showKept();
  byId("mine-title").focus();
}));

async function showKept() {
  const kept = await (await ask("GET", "/api/me/data", token)).json();
  byId("lesson").textContent = kept.participant.title;
  byId("joined").textContent = when(kept.participant.joined_at);
  byId("kept_until").textContent = when(kept.participant.kept_until);
  for (const kind of ["windows", "self_reports"]) byId(kind).textContent = kept[kind].length;
  showResearch(kept.participant);
  show("come-back", false);
  show("kept", true);
}

onPress(byId("take"), () => tell(async () => {
  await save(await ask("GET", "/api/me/data", token), "mien-my-data.json");
}));

onPress(byId("withdraw"), async () => {
  if (!(await confirmed("withdraw-dialog"))) return;
  await tell(async () => {
    const { deleted } = await (await ask("DELETE", "/api/me", token)).json();
    sessionStorage.removeItem("token");
    sessionStorage.removeItem("receipt");
    show("kept", false);
    byId("deleted").textContent = deleted ? WORDS.deleted : WORDS.withdrawn_later;
    if (!deleted) untilDeleted(token, () => { byId("deleted").textContent = WORDS.deleted; });
    byId("deleted").focus();
  });
});

listenToResearch(() => token, refused);
askForReceipt();
if (token) showKept().catch((error) => error.status === 401 || explain(error));
