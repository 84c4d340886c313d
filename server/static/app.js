// Reports a file that is too large before the upload, as the server would after it.
for (const input of document.querySelectorAll("input[type=file][data-limit-bytes]")) {
  const error = document.getElementById(`${input.id}-error`);
  input.addEventListener("change", () => {
    const tooLarge = (input.files[0]?.size ?? 0) > Number(input.dataset.limitBytes);
    error.textContent = tooLarge ? input.dataset.limitText : "";
    error.hidden = !tooLarge;
    input.setCustomValidity(error.textContent);
    input.toggleAttribute("aria-invalid", tooLarge);
  });
}

// Parts of a form that only one choice needs: shown while the choice with data-opens (the part's id) is selected.
for (const choice of document.querySelectorAll("[data-opens]")) {
  const part = document.getElementById(choice.dataset.opens);
  const show = () => { part.hidden = !(choice.selected ?? choice.checked); };
  choice.closest("form").addEventListener("change", show);
  show();
}
