// Tells before the upload what the server would tell after it: a file that is too large.
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
