console.log('ocm-hub', ...process.argv.slice(2))
