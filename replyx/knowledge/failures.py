"""Why a document could not be used: stable words, and what each says to people."""

from __future__ import annotations

#: Code → what a person is told, Russian and English. The codes are stored in `documents.error_code`.
SENTENCES: dict[str, tuple[str, str]] = {
    "encrypted": (
        "Файл защищён паролем. Снимите пароль и загрузите файл снова.",
        "The file is protected by a password. Remove the password and upload the file again.",
    ),
    "no_text": (
        "В файле нет текста: похоже, это скан. Распознайте его (OCR) и загрузите снова.",
        "The file has no text: it looks like a scan. Recognise it (OCR) and upload it again.",
    ),
    "empty": (
        "В файле нет текста. Загрузите файл, в котором он есть.",
        "There is no text in the file. Upload one that has some.",
    ),
    "corrupt": (
        "Файл повреждён, прочитать его не удалось. Сохраните его заново и загрузите снова.",
        "The file is damaged and cannot be read. Save it anew and upload it again.",
    ),
    "too_heavy": (
        "Файл слишком тяжёл: на чтение не хватило отведённых времени или памяти. Разделите его на части.",
        "The file is too heavy: reading it took more time or memory than allowed. Split it into parts.",
    ),
    "unpacks_too_large": (
        "Файл распаковывается во много раз больше своего размера. Сохраните его заново без вложенных файлов.",
        "The file unpacks to many times its size. Save it anew without files inside.",
    ),
    "too_many_pages": (
        "В файле слишком много страниц (предел: knowledge.max_pages). Разделите его на части.",
        "The file has too many pages (the limit is knowledge.max_pages). Split it into parts.",
    ),
    "gave_up": (
        "Обработка файла прерывалась несколько раз подряд. Загрузите его заново; если повторится, смотрите журнал.",
        "Processing the file was interrupted several times in a row. Upload it again; if it repeats, see the log.",
    ),
    "virus": (
        "В файле обнаружен вирус. Файл удалён.",
        "A virus was found in the file. The file was deleted.",
    ),
    "no_reader": (
        "Плагин, который читает файлы этого формата, не загружен. Проверьте: replyx plugins check",
        "The plugin that reads files of this format is not loaded. See: replyx plugins check",
    ),
    "lost": (
        "Загруженный файл пропал из каталога данных. Загрузите его снова.",
        "The uploaded file is gone from the data directory. Upload it again.",
    ),
}


class Unreadable(Exception):
    """A document gave no text; `code` is a key of `SENTENCES`."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code
