// Words of the page and of the CV's frame in the three languages, and how each writes numbers and dates.

export const LANGUAGES = { en: 'English', de: 'Deutsch', fa: 'فارسی' };
export const direction = (lang) => (lang === 'fa' ? 'rtl' : 'ltr');

const WORDS = {
  en: {
    cv: 'CV', person: 'Person', language: 'Language', focus: 'Focus', skip: 'Skip to the CV', dark: 'Dark colours',
    print: 'Print', pdf: 'PDF', json: 'JSON', apiReference: 'API reference', documents: 'Documents', show: 'Show',
    loading: 'Loading the CV', shown: 'Shown: {0}', fallback: 'There is no version in {1}; this one is in {0}.',
    empty: 'Nothing in this CV is tagged for this focus.', noCvs: 'There are no CVs here yet.',
    retry: 'Try again', request: 'Request', back: 'Show {0}', skills: 'Skills', basics: 'Further details',
    errorOffline: 'No connection', errorOfflineText: 'The server could not be reached. Check the network.',
    error404: 'This CV was not found', error404Text: 'Choose a person above.',
    error429: 'Too many requests', error429Text: 'Please wait {0} seconds.', errorOther: 'The CV could not be loaded',
    errorOtherText: 'The server answered {0}.', errorOwnText: 'This page has a fault of its own. Load it again.',
    noPdf: 'There is no PDF of this CV yet. Printing the page makes one.', profile: 'Profile', contact: 'Contact',
    experiences: 'Experience', education: 'Education', projects: 'Projects', publications: 'Publications',
    certifications: 'Courses and certificates', languages: 'Languages', references: 'References', profiles: 'Profiles',
    present: 'present', yes: 'yes', no: 'no', certified: 'Certificate', attended: 'Attended', in: 'In', eds: '(Eds.)',
    pages: 'pp.', pageCount: 'pages', fullNames: 'Authors', doi: 'DOI', born: 'Born', picture: 'Picture',
  },
  de: {
    cv: 'Lebenslauf', person: 'Person', language: 'Sprache', focus: 'Schwerpunkt', skip: 'Zum Lebenslauf springen',
    dark: 'Dunkle Farben', print: 'Drucken', pdf: 'PDF', json: 'JSON', apiReference: 'API-Referenz',
    documents: 'Dokumente', show: 'Anzeigen', loading: 'Der Lebenslauf wird geladen', shown: 'Angezeigt: {0}',
    fallback: 'Eine Fassung auf {1} gibt es nicht; diese ist auf {0}.',
    empty: 'Zu diesem Schwerpunkt enthält der Lebenslauf nichts.', noCvs: 'Hier gibt es noch keine Lebensläufe.',
    retry: 'Noch einmal versuchen', request: 'Anfrage', back: '{0} anzeigen', skills: 'Kenntnisse',
    basics: 'Weitere Angaben', errorOffline: 'Keine Verbindung',
    errorOfflineText: 'Der Server ist nicht erreichbar. Bitte prüfen Sie das Netz.',
    error404: 'Diesen Lebenslauf gibt es nicht', error404Text: 'Bitte wählen Sie oben eine Person.',
    error429: 'Zu viele Anfragen', error429Text: 'Bitte warten Sie {0} Sekunden.',
    errorOther: 'Der Lebenslauf konnte nicht geladen werden', errorOtherText: 'Der Server antwortete {0}.',
    errorOwnText: 'Diese Seite selbst hat einen Fehler. Bitte laden Sie sie neu.',
    noPdf: 'Von diesem Lebenslauf gibt es noch kein PDF. Beim Drucken der Seite entsteht eines.',
    profile: 'Profil', contact: 'Kontakt', experiences: 'Berufserfahrung', education: 'Ausbildung',
    projects: 'Projekte', publications: 'Veröffentlichungen', certifications: 'Kurse und Zertifikate',
    languages: 'Sprachen', references: 'Referenzen', profiles: 'Profile', present: 'heute', yes: 'ja', no: 'nein',
    certified: 'Zertifikat', attended: 'Teilnahme', in: 'In', eds: '(Hrsg.)', pages: 'S.', pageCount: 'Seiten',
    fullNames: 'Autoren', doi: 'DOI', born: 'Geboren', picture: 'Bild',
  },
  fa: {
    cv: 'رزومه', person: 'شخص', language: 'زبان', focus: 'تمرکز', skip: 'پرش به رزومه', dark: 'رنگ‌های تیره',
    print: 'چاپ', pdf: 'پی‌دی‌اف', json: 'JSON', apiReference: 'راهنمای API', documents: 'سندها', show: 'نمایش',
    loading: 'رزومه در حال بارگیری است', shown: 'نمایش داده شد: {0}',
    fallback: 'نسخه‌ای به {1} موجود نیست؛ این نسخه به {0} است.',
    empty: 'در این رزومه چیزی برای این تمرکز نیست.', noCvs: 'هنوز رزومه‌ای اینجا نیست.', retry: 'تلاش دوباره',
    request: 'شناسهٔ درخواست', back: 'نمایش {0}', skills: 'مهارت‌ها', basics: 'جزئیات بیشتر',
    errorOffline: 'اتصال برقرار نیست', errorOfflineText: 'به سرور دسترسی نیست. اتصال شبکه را بررسی کنید.',
    error404: 'این رزومه پیدا نشد', error404Text: 'از بالای صفحه شخصی را انتخاب کنید.',
    error429: 'درخواست‌ها بیش از اندازه است', error429Text: 'لطفاً {0} ثانیه صبر کنید.',
    errorOther: 'رزومه بارگیری نشد', errorOtherText: 'پاسخ سرور {0} بود.',
    errorOwnText: 'خطایی در خود صفحه رخ داد. لطفاً آن را دوباره بارگیری کنید.',
    noPdf: 'این رزومه هنوز پی‌دی‌اف ندارد. با چاپ صفحه می‌توانید آن را بسازید.', profile: 'دربارهٔ من',
    contact: 'تماس', experiences: 'سوابق کاری', education: 'تحصیلات', projects: 'پروژه‌ها',
    publications: 'انتشارات', certifications: 'دوره‌ها و گواهی‌نامه‌ها', languages: 'زبان‌ها', references: 'معرف‌ها',
    profiles: 'نمایه‌ها', present: 'تاکنون', yes: 'بله', no: 'خیر', certified: 'با گواهی', attended: 'شرکت در دوره',
    in: 'در', eds: '(ویراستاران)', pages: 'ص', pageCount: 'صفحه', fullNames: 'نویسندگان', doi: 'DOI', born: 'تولد',
    picture: 'تصویر',
  },
};

// Names of fields; one that is not here is named as its key is.
const FIELDS = {
  en: { gpa: 'Grade', doi: 'DOI', issn: 'ISSN', isbn: 'ISBN', urn: 'URN', CEFR: 'CEFR', access_date: 'Accessed',
    submissionDate: 'Submitted', repository_url: 'Repository', logo_url: 'Logo', URL: 'Web page', url: 'Link',
    examDate: 'Taken', article_number: 'Article', birthDate: 'Born', correspondent: 'Corresponding author',
    authors_structured: 'Full names' },
  de: { gpa: 'Note', doi: 'DOI', issn: 'ISSN', isbn: 'ISBN', urn: 'URN', CEFR: 'GER', access_date: 'Abgerufen',
    submissionDate: 'Eingereicht', repository_url: 'Repositorium', logo_url: 'Logo', URL: 'Webseite', url: 'Link',
    examDate: 'Abgelegt', article_number: 'Artikel', birthDate: 'Geboren', correspondent: 'Korrespondenz',
    authors_structured: 'Volle Namen', email: 'E-Mail', phone: 'Telefon', location: 'Ort', address: 'Adresse',
    language: 'Sprache', overall: 'Gesamt', reading: 'Lesen', writing: 'Schreiben', listening: 'Hören',
    speaking: 'Sprechen', supervisors: 'Betreuung', editors: 'Herausgeber', dataset: 'Datensatz', preprint: 'Preprint',
    notes: 'Anmerkungen', publisher: 'Verlag', place: 'Ort', volume: 'Band', issue: 'Heft', conference: 'Tagung',
    type: 'Art', status: 'Stand', institution: 'Einrichtung', organization: 'Organisation', year: 'Jahr' },
  fa: { gpa: 'معدل', doi: 'DOI', issn: 'شاپا', isbn: 'شابک', urn: 'URN', CEFR: 'سطح CEFR',
    access_date: 'تاریخ دسترسی', submissionDate: 'تاریخ ارسال', repository_url: 'مخزن', logo_url: 'نشان',
    URL: 'صفحهٔ وب', url: 'پیوند', examDate: 'تاریخ آزمون', article_number: 'شمارهٔ مقاله', birthDate: 'تولد',
    correspondent: 'نویسندهٔ مسئول', authors_structured: 'نام کامل', email: 'ایمیل', phone: 'تلفن', location: 'مکان',
    address: 'نشانی', language: 'زبان', overall: 'نمرهٔ کل', reading: 'خواندن', writing: 'نوشتن', listening: 'شنیدن',
    speaking: 'گفتار', supervisors: 'استادان راهنما', editors: 'ویراستاران', dataset: 'مجموعه‌داده',
    preprint: 'پیش‌چاپ', notes: 'یادداشت', publisher: 'ناشر', place: 'محل نشر', volume: 'دوره', issue: 'شماره',
    conference: 'همایش', type: 'نوع', status: 'وضعیت', institution: 'مؤسسه', organization: 'سازمان', year: 'سال' },
};

// Top-level keys of a CV that have a heading in WORDS; any other is named as a field is.
const SECTIONS = new Set(['basics', 'certifications', 'education', 'experiences', 'languages', 'profiles', 'projects',
  'publications', 'references', 'skills']);

// Purposes that CVs here use; any other is named as the CV spells it.
const PURPOSES = {
  de: { 'Full CV': 'Vollständig', Programming: 'Programmierung', Bioinformatics: 'Bioinformatik',
    Biotechnology: 'Biotechnologie', Robotics: 'Robotik', 'Embedded Systems': 'Eingebettete Systeme',
    Academic: 'Wissenschaft', 'Student Projects': 'Studienprojekte' },
  fa: { 'Full CV': 'رزومهٔ کامل', Programming: 'برنامه‌نویسی', Bioinformatics: 'بیوانفورماتیک',
    Biotechnology: 'زیست‌فناوری', Robotics: 'رباتیک', 'Embedded Systems': 'سامانه‌های نهفته', Academic: 'دانشگاهی',
    'Student Projects': 'پروژه‌های دانشجویی' },
};

const sentence = (key) => {
  const words = key.replace(/_/g, ' ').replace(/([a-z0-9])([A-Z])/g, (_, a, b) => `${a} ${b.toLowerCase()}`).trim();
  return words.charAt(0).toUpperCase() + words.slice(1);
};

const LOCALES = { en: 'en-GB', de: 'de-DE', fa: 'fa-u-ca-gregory-nu-arabext' };

/** All that is said and written in one language. */
export function speaker(lang) {
  const digits = (text) => (lang === 'fa'
    ? String(text).replace(/(?<=\d)\.(?=\d)/g, '٫')
      .replace(/\d/g, (digit) => String.fromCharCode(0x6f0 + Number(digit)))
    : String(text));
  return {
    lang,
    dir: direction(lang),
    comma: lang === 'fa' ? '، ' : ', ',
    semicolon: lang === 'fa' ? '؛ ' : '; ',
    say: (key, ...values) => WORDS[lang][key].replace(/\{(\d)\}/g, (_, index) => values[index]),
    section(key) {
      const name = key === 'workshop_and_certifications' ? 'certifications' : key;
      return SECTIONS.has(name) ? WORDS[lang][name] : sentence(key);
    },
    // Keys are free: one may be named as what every object inherits.
    field: (key) => (Object.hasOwn(FIELDS[lang], key) ? FIELDS[lang][key] : sentence(key)),
    purpose: (key) => (Object.hasOwn(PURPOSES[lang] ?? {}, key) ? PURPOSES[lang][key] : key),
    languageName: (tag) => new Intl.DisplayNames([lang], { type: 'language' }).of(tag),
    digits,
    /** A date of a CV in words, or null where the text is no date. */
    date(text, month = 'long') {
      const [, year, mm, day] = /^(\d{4})(?:-(\d\d)(?:-(\d\d))?)?$/.exec(text) ?? [];
      if (!year) return null;
      const date = new Date(Date.UTC(Number(year), Number(mm ?? 1) - 1, Number(day ?? 1)));
      if (!date.toISOString().startsWith(text)) return null; // 31 February
      return new Intl.DateTimeFormat(LOCALES[lang],
        { timeZone: 'UTC', year: 'numeric', ...(mm && { month }), ...(day && { day: 'numeric' }) }).format(date);
    },
  };
}
