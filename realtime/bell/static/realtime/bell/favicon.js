/** The page's icon with the number of new notifications, for a tab whose title is cut off. */

/** Twice the size that a tab shows, for high-resolution screens. */
const SIZE = 64;
const BADGE = { color: "#c5221f", ink: "#ffffff", edge: "#ffffff" };

/**
 * The count in as few characters as fit on the icon.
 *
 * @param {number} count
 */
export function faviconText(count) {
  if (count === 0) return "";
  return count > 9 ? "9+" : String(count);
}

export class Favicon {
  #link;
  #plain;
  #text = "";
  /** @type {Promise<HTMLImageElement> | undefined} */
  #image;

  /** @param {Document} page */
  constructor(page) {
    // A page without an icon keeps the one that the browser finds by itself.
    this.#link = /** @type {HTMLLinkElement | null} */ (page.querySelector('link[rel~="icon"]'));
    this.#plain = this.#link?.href ?? "";
  }

  /** @param {number} count */
  async show(count) {
    const text = faviconText(count);
    if (!this.#link || text === this.#text) return;
    this.#text = text;
    const href = text ? await this.#drawn(text) : this.#plain;
    if (text === this.#text) this.#link.href = href; // otherwise the number has changed meanwhile
  }

  /** @param {string} text */
  async #drawn(text) {
    this.#image ??= loaded(this.#plain);
    const image = await this.#image.catch(() => undefined); // no icon: the number alone
    const canvas = document.createElement("canvas");
    canvas.width = canvas.height = SIZE;
    const context = canvas.getContext("2d");
    if (!context) return this.#plain;
    if (image) context.drawImage(image, 0, 0, SIZE, SIZE);
    drawBadge(context, text);
    try {
      return canvas.toDataURL("image/png");
    } catch {
      return this.#plain; // a canvas with an icon of another host can't be exported
    }
  }
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {string} text
 */
function drawBadge(context, text) {
  const height = 40;
  const width = text.length > 1 ? 52 : height;
  const [left, top] = [SIZE - width, SIZE - height];
  context.beginPath();
  context.roundRect(left, top, width, height, height / 2);
  context.fillStyle = BADGE.color;
  context.fill();
  context.fillStyle = BADGE.ink;
  context.font = "bold 34px system-ui, sans-serif";
  context.textAlign = "center";
  context.textBaseline = "middle";
  context.fillText(text, left + width / 2, top + height / 2 + 2);
}

/**
 * @param {string} href
 * @returns {Promise<HTMLImageElement>}
 */
async function loaded(href) {
  const image = new Image(SIZE, SIZE);
  image.src = href;
  await image.decode();
  return image;
}
