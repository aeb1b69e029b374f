console.log('ocm-agent', ...process.argv.slice(2))
