// What players.js uses of the players' own scripts and of browsers, and what it gives to the tests.

declare var player: unknown;
declare var state: () => unknown;

interface HTMLVideoElement {
  /** Chromium's own counter. */
  readonly webkitAudioDecodedByteCount?: number;
}

interface HlsError {
  fatal: boolean;
  type: string;
  details: string;
  error?: Error;
}

declare class Hls {
  static Events: { ERROR: string };
  constructor(settings: object);
  levels: { height: number; bitrate: number }[];
  currentLevel: number;
  allAudioTracks: { lang?: string; audioCodec?: string }[];
  setAudioOption(track: object): void;
  subtitleTrack: number;
  subtitleDisplay: boolean;
  on(event: string, listener: (name: string, error: HlsError) => void): void;
  loadSource(url: string): void;
  attachMedia(video: HTMLVideoElement): void;
}

interface Size {
  height: number;
  bandwidth: number;
}

interface Sound {
  language: string;
  codec: string;
}

interface DashTrack {
  id: string;
  lang: string | null;
  codec: string;
  bitrateList: { id: string | null; height: number; bandwidth: number }[];
}

interface DashPlayer {
  on(event: "error", listener: (event: { error: string | { code: number; message: string } }) => void): void;
  updateSettings(settings: object): void;
  initialize(video: HTMLVideoElement, url: string, play: boolean): void;
  setRepresentationForTypeById(type: "video", id: string, now: boolean): void;
  getTracksFor(type: "audio" | "video"): DashTrack[];
  getCurrentTrackFor(type: "video"): DashTrack | null;
  setCurrentTrack(track: DashTrack): void;
  setTextTrack(at: number): void;
  provideThumbnail(time: number, callback: (tile: Tile | null) => void): void;
}

declare const dashjs: { MediaPlayer(): { create(): DashPlayer } };

interface ShakaError {
  severity: number;
  code: number;
  data: unknown;
}

interface Tile {
  url: string;
  x: number;
  y: number;
  width: number;
  height: number;
}

interface Thumbnail {
  uris: string[];
  positionX: number;
  positionY: number;
  width: number;
  height: number;
}

declare namespace shaka {
  class Player {
    addEventListener(event: "error", listener: (event: { detail: ShakaError }) => void): void;
    attach(video: HTMLVideoElement): Promise<void>;
    configure(settings: object): void;
    load(url: string): Promise<void>;
    getVideoTracks(): Size[];
    selectVideoTrack(track: object, now: boolean): void;
    getAudioTracks(): { language: string; codecs: string | null }[];
    selectAudioTrack(track: object): void;
    getTextTracks(): object[];
    selectTextTrack(track: object): void;
    getImageTracks(): { id: number }[];
    trickPlay(rate: number): void;
    cancelTrickPlay(): void;
    getThumbnails(track: number, time: number): Promise<Thumbnail | null>;
  }
}
