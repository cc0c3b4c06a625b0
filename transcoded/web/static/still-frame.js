// The last frame of the video, drawn over it while another source is opened, so that the stage does not turn black.

export class StillFrame {
  #video;
  #canvas;

  /**
   * @param {HTMLVideoElement} video
   * @param {HTMLCanvasElement} canvas
   */
  constructor(video, canvas) {
    this.#video = video;
    this.#canvas = canvas;
  }

  /** Keep what the video shows now, if it shows anything. */
  show() {
    const [video, canvas] = [this.#video, this.#canvas];
    if (!video.videoWidth || video.readyState < HTMLMediaElement.HAVE_CURRENT_DATA) return;
    canvas.width = video.videoWidth;
    canvas.height = video.videoHeight;
    canvas.getContext("2d")?.drawImage(video, 0, 0);
    canvas.hidden = false;
  }

  hide() {
    this.#canvas.hidden = true;
  }
}
