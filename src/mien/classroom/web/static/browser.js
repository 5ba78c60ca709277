// Says that a browser is too old for the other scripts, of which it would read none. In words that the oldest understands.
(function () {
  var dialogs = window.HTMLDialogElement && HTMLDialogElement.prototype.showModal;
  if (!dialogs || !Array.prototype.findLast || !DataView.prototype.setBigUint64) {
    document.getElementById("old").hidden = false;
  }
})();
