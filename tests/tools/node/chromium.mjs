// Unpacks the browser that @sparticuz/chromium carries into the temporary folder, with the libraries and fonts that a bare
// machine lacks, and prints where they are.
import { writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import chromium, { inflate } from '@sparticuz/chromium'

const executable = await chromium.executablePath()
const packed = new URL('../bin/', import.meta.resolve('@sparticuz/chromium'))
const libraries = join(await inflate(fileURLToPath(new URL('al2023.tar.br', packed))), 'lib')

// The machine's own fonts where it has any, and those that came with the browser.
const fonts = join(tmpdir(), 'fonts.conf')
writeFileSync(fonts, `<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
  <include ignore_missing="yes">/etc/fonts/fonts.conf</include>
  <dir>${join(tmpdir(), 'fonts')}</dir>
  <cachedir>${join(tmpdir(), 'fonts-cache')}</cachedir>
</fontconfig>
`)
console.log(JSON.stringify({ executable, libraries, fonts }))
