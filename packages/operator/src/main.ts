console.log('ocm', ...process.argv.slice(2))
