namespace Gauntlet.Vmm.Storage;

/// <summary>One request to a disk, as its device made it.</summary>
public abstract class BlockTask
{
    private volatile bool _isCancelled;

    /// <summary>Nobody waits for it any more: it may end between two pieces of its work.</summary>
    protected bool IsCancelled => _isCancelled;

    /// <summary>Carries it out, and takes no lock that a device holds. What came of it the task keeps for its device.</summary>
    public abstract void Execute();

    internal void Cancel() => _isCancelled = true;

    internal void Renew() => _isCancelled = false;
}

/// <summary>
/// The thread that carries out a disk's requests, in the order in which they were submitted, so that a flush covers all that came before it. What is
/// done is kept until the device takes it.
/// </summary>
public sealed class BlockWorker : IDisposable
{
    private const int ThreadStackBytes = 256 * 1024;

    private readonly object _gate = new();
    private readonly Queue<BlockTask> _submitted = new(), _completed = new();
    private readonly string _name;
    private Action _onCompleted = static () => { };
    private Thread? _thread;
    private BlockTask? _running;
    private bool _ended, _isCollected = true;

    /// <param name="name">Of the disk, for its thread.</param>
    public BlockWorker(string name) => _name = name;

    /// <summary>Once, before anything is submitted: what to raise when there is something to take. Called with no lock held.</summary>
    public void Connect(Action onCompleted) => _onCompleted = onCompleted;

    /// <summary>Has a request carried out after those that were submitted before.</summary>
    public void Submit(BlockTask task)
    {
        task.Renew();
        lock (_gate)
        {
            _submitted.Enqueue(task);
            if (_thread is null)
            {
                _thread = new Thread(Work, ThreadStackBytes) { IsBackground = true, Name = $"disk {_name}" };
                _thread.Start();
            }
            Monitor.PulseAll(_gate);
        }
    }

    /// <summary>Takes a request that is done; null when there is none. Whoever was told takes until then.</summary>
    public BlockTask? TakeCompleted()
    {
        lock (_gate)
        {
            if (_completed.TryDequeue(out var task))
                return task;
            _isCollected = true;
            return null;
        }
    }

    /// <summary>Gives up all that was submitted and not taken; when this returns, none of it runs or will.</summary>
    public void CancelAll()
    {
        lock (_gate)
        {
            _submitted.Clear();
            _running?.Cancel();
            AwaitIdle();
            _completed.Clear();
            _isCollected = true;
        }
    }

    /// <summary>Waits until all that was submitted is done.</summary>
    public void Drain()
    {
        lock (_gate)
            AwaitIdle();
    }

    public void Dispose()
    {
        lock (_gate)
        {
            _submitted.Clear();
            _running?.Cancel();
            _ended = true;
            Monitor.PulseAll(_gate);
            // Not for the thread: it may be on its way into the device, whose lock the caller may hold.
            AwaitIdle();
            _completed.Clear();
        }
    }

    private void AwaitIdle()
    {
        while (_running is not null || _submitted.Count > 0)
            Monitor.Wait(_gate);
    }

    private void Work()
    {
        while (TakeSubmitted() is { } task)
        {
            task.Execute();
            bool isNews;
            lock (_gate)
            {
                _completed.Enqueue(task);
                _running = null;
                // Whoever was told of one before and has not looked yet finds this one too.
                isNews = _isCollected;
                _isCollected = false;
                if (_submitted.Count == 0)
                    Monitor.PulseAll(_gate);
            }
            if (isNews)
                _onCompleted();
        }
    }

    private BlockTask? TakeSubmitted()
    {
        lock (_gate)
        {
            while (!_ended && _submitted.Count == 0)
                Monitor.Wait(_gate);
            return _running = _ended ? null : _submitted.Dequeue();
        }
    }
}
